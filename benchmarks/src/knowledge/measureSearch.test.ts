import { createWordEmbedder } from "@consilium/agent"
import type { Embedder } from "@consilium/fleet"
import { createRandom, hash32 } from "@consilium/tensor"
import { expect, test } from "bun:test"
import { createHandbooks } from "./createHandbooks.ts"
import { askCases } from "./measureCases.ts"
import { type Answered, askAll, fillKnowledge, recallOf } from "./measureSearch.ts"

const handbooks = createHandbooks(7, 2)
const SIZE = 256
const MOST_MS = 20

const withKind = (answered: readonly Answered[], kind: string): Answered[] =>
  answered.filter(({ question }) => question.kind === kind)

function p95(answered: readonly Answered[]): number {
  return answered.map(({ ms }) => ms).sort((a, b) => a - b)[Math.floor(0.95 * answered.length)]!
}

const noise = (text: string): Float32Array => {
  const random = createRandom(hash32(Number(Bun.hash.xxHash32(text))))
  return Float32Array.from({ length: SIZE }, () => random() - 0.5)
}

const embedderOf = (embed: (text: string) => Float32Array): Pick<Embedder, "embed"> => ({
  embed: async (texts) => texts.map(embed),
})

async function ask(embedder?: Pick<Embedder, "embed">): Promise<Answered[]> {
  const knowledge = await fillKnowledge(handbooks, embedder)
  expect(knowledge.numPassages).toBe(5060)
  const answered = await askAll({ search: knowledge.search }, handbooks)
  knowledge.close()
  return answered
}

test("knowledge: of 5,060 passages words alone find at least 90 % of what is asked in the passages' words, in 20 ms", async () => {
  const answered = await ask()
  for (const kind of ["same words", "Chinese, same words"])
    expect(recallOf(withKind(answered, kind))).toBeGreaterThanOrEqual(0.9)
  // Who asks in other words is what embedders are for.
  expect(recallOf(withKind(answered, "other words"))).toBeLessThan(0.6)
  expect(p95(answered)).toBeLessThanOrEqual(MOST_MS)
}, 60_000)

test("knowledge: an embedder that knows nothing takes hardly anything from what words find, in 20 ms", async () => {
  const [words, both] = [await ask(), await ask(embedderOf(noise))]
  expect(recallOf(both)).toBeGreaterThanOrEqual(recallOf(words) - 0.05)
  expect(p95(both)).toBeLessThanOrEqual(MOST_MS)
}, 60_000)

test("knowledge: with one that knows what a text is about, but none of its names, at least 90 % of all questions find theirs", async () => {
  // Stands for a sentence encoder; the names are left to the words. What real ones reach: `bun run bench knowledge`.
  const topicOf = new Map(handbooks.questions.map(({ text, title }) => [text, title]))
  const about = (text: string): Float32Array => {
    const topic = noise(topicOf.get(text) ?? text.split("\n")[1] ?? "")
    const own = noise(text)
    return topic.map((value, i) => value + own[i]!)
  }
  const answered = await ask(embedderOf(about))
  expect(recallOf(answered)).toBeGreaterThanOrEqual(0.9)
  expect(p95(answered)).toBeLessThanOrEqual(MOST_MS)
}, 60_000)

test("knowledge: the word vectors that ship find one in six questions more than words alone, and lose none of their kinds, in 20 ms", async () => {
  const [words, both] = [await ask(), await ask(createWordEmbedder())]
  expect(recallOf(both)).toBeGreaterThanOrEqual(Math.max(0.85, recallOf(words) + 0.15))
  for (const kind of new Set(words.map(({ question }) => question.kind)))
    expect(recallOf(withKind(both, kind))).toBeGreaterThanOrEqual(recallOf(withKind(words, kind)))
  expect(p95(both)).toBeLessThanOrEqual(MOST_MS)
}, 60_000)

test("knowledge: with them the cases' questions find their passage, nine of ten in the case's documents, eight among 5,000", async () => {
  const [few, fewWords] = [await askCases(0, createWordEmbedder()), await askCases(0)]
  expect(few).toHaveLength(54)
  expect(recallOf(few)).toBeGreaterThanOrEqual(Math.max(0.9, recallOf(fewWords) + 0.08))
  const [many, manyWords] = [await askCases(5000, createWordEmbedder()), await askCases(5000)]
  expect(recallOf(many)).toBeGreaterThanOrEqual(Math.max(0.8, recallOf(manyWords)))
  // What is asked of purpose in other words is as hard for a sentence encoder of 23 MB.
  expect(recallOf(withKind(many, "same words"))).toBeGreaterThanOrEqual(0.9)
  expect(p95(many)).toBeLessThanOrEqual(MOST_MS)
}, 120_000)
