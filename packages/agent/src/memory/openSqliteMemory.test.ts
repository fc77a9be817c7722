import { afterAll, expect, test } from "bun:test"
import fc from "fast-check"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { openSqliteMemory } from "./openSqliteMemory.ts"
import { ana, bob, costOf, createTalk, HOUR_MS, recall } from "../../test/recalling.ts"

const dir = mkdtempSync(join(tmpdir(), "consilium-memory-"))
afterAll(() => rmSync(dir, { recursive: true }))
let numFiles = 0
const newPath = (): string => join(dir, `${numFiles++}.db`)

test("memory: over 200 turns every recall is within its budget, and a fact told at turn 3 is recalled at turn 200", async () => {
  const memory = openSqliteMemory(newPath())
  const talk = createTalk(7)
  let numSummaries = 0
  for (let turn = 1; turn <= 200; turn++) {
    const nowMs = turn * HOUR_MS
    const said =
      turn === 3
        ? { user: "By the way, I am allergic to peanuts. Where is the parcel?", answer: "Noted, it comes on Friday." }
        : talk()
    for (const budgetTokens of [0, 5, 60, 400, 1000]) {
      const recalled = await recall(memory, ana, said.user, budgetTokens, nowMs)
      expect(costOf(recalled)).toBeLessThanOrEqual(budgetTokens)
      numSummaries += Number(recalled.summary !== undefined)
    }
    await memory.note(ana, { ...said, nowMs })
  }
  for (const budgetTokens of [60, 400]) {
    const { facts } = await recall(
      memory,
      ana,
      "Can I eat the cookies, or do I have an allergy?",
      budgetTokens,
      201 * HOUR_MS,
    )
    expect(facts.join(" ")).toContain("allergic to peanuts")
  }
  expect(numSummaries).toBeGreaterThan(300)
  memory.close()
})

test("memory: a later statement of the same kind replaces the earlier one, others stand beside it", async () => {
  const memory = openSqliteMemory(newPath())
  const talk = [
    "I live in Lyon.",
    "I am allergic to nuts.",
    "我叫王芳。",
    "I'm allergic to penicillin.",
    "I now live in Nice.",
  ]
  for (const [i, user] of talk.entries()) await memory.note(ana, { user, answer: "Thank you.", nowMs: i })
  await memory.noteFact(ana, "The user's name is Fang Wang", 9)
  const { facts } = await recall(memory, { ...ana, conversationId: "c2" }, "hello")
  expect([...facts].sort()).toEqual([
    "I am allergic to nuts.",
    "I now live in Nice.",
    "I'm allergic to penicillin.",
    "The user's name is Fang Wang",
  ])
  memory.close()
})

test("memory: what is no stated fact is recalled by its words, of earlier conversations too, and no question's echo comes before it", async () => {
  const memory = openSqliteMemory(newPath())
  const talk = [
    "The blue kettle leaks at the handle.",
    "Is the kettle covered?",
    "The lamp came broken.",
    "热水壶的盖子坏了。",
  ]
  for (const user of talk) await memory.note(ana, { user, answer: "I see.", nowMs: 0 })
  const other = { ...ana, conversationId: "c2" }
  expect((await recall(memory, other, "Is my kettle covered, it leaks?")).facts[0]).toBe(talk[0]!)
  expect((await recall(memory, other, "热水壶怎么办？")).facts).toEqual([talk[3]!])
  // In the conversation itself it is among the turns already.
  expect((await recall(memory, ana, "The kettle leaks.")).facts).toEqual([])
  memory.close()
})

test("memory: of statements equally near the later one comes first, and copies come once", async () => {
  const memory = openSqliteMemory(newPath())
  await memory.note(ana, { user: "The door code was 11 here.", answer: "", nowMs: 0 })
  await memory.note(ana, { user: "The door code was 22 here.", answer: "", nowMs: 500 * HOUR_MS })
  await memory.note(ana, { user: "The door code was 22 here.", answer: "", nowMs: 501 * HOUR_MS })
  const { facts } = await recall(memory, { ...ana, conversationId: "c2" }, "the door code", 400, 502 * HOUR_MS)
  expect(facts).toEqual(["The door code was 22 here.", "The door code was 11 here."])
  memory.close()
})

test("memory: nothing of one user, agent or conversation reaches another, and nobody without a name is kept", async () => {
  const memory = openSqliteMemory(newPath())
  await memory.note(ana, { user: "My name is Ana. The vault opens at nine.", answer: "Hello Ana.", nowMs: 0 })
  const nothing = { facts: [], summary: undefined, turns: [] }
  expect(await recall(memory, bob, "My name? When does the vault open?")).toEqual(nothing)
  expect(await recall(memory, { ...ana, agent: "shop" }, "the vault, my name")).toEqual(nothing)
  expect((await recall(memory, { ...ana, conversationId: "c2" }, "hello")).turns).toEqual([])
  expect(memory.note({ ...ana, userId: "" }, { user: "x", answer: "y", nowMs: 0 })).rejects.toThrow(
    "expected agent, user",
  )
  memory.close()
})

test("memory: whatever is said and whatever the budget, a recall is within it, its turns whole and in order", async () => {
  const memory = openSqliteMemory(":memory:")
  const words = fc.array(
    fc.constantFrom("I", "like", "am", "allergic to", "kettle.", "12", "名字", "。", "?", "\n", "long ".repeat(30)),
    {
      maxLength: 12,
    },
  )
  let conversation = 0
  const property = fc.asyncProperty(
    fc.array(fc.tuple(words, words), { maxLength: 20 }),
    fc.nat(300),
    async (said, budgetTokens) => {
      const scope = { ...ana, userId: `user ${conversation++}` }
      for (const [i, [user, answer]] of said.entries())
        await memory.note(scope, { user: user.join(" "), answer: answer.join(" "), nowMs: i })
      const recalled = await recall(memory, scope, said.at(-1)?.[0].join(" ") ?? "", budgetTokens)
      expect(costOf(recalled)).toBeLessThanOrEqual(budgetTokens)
      const latest = said.flatMap(([user, answer]) => [user.join(" "), answer.join(" ")])
      expect(recalled.turns.map(({ content }) => content)).toEqual(latest.slice(latest.length - recalled.turns.length))
      expect(recalled.turns.every(({ role }, i) => role === (i % 2 === 0 ? "user" : "assistant"))).toBe(true)
    },
  )
  await fc.assert(property, { numRuns: 60 })
  memory.close()
})

test("memory: an embedder finds what shares no word; one that fails leaves words", async () => {
  const meanings = [/car|automobile/i, /cat|kitten/i]
  let isUp = true
  const embed = async (texts: readonly string[]): Promise<Float32Array[]> => {
    if (!isUp) throw new Error("down")
    return texts.map((text) => Float32Array.from(meanings, (meaning) => Number(meaning.test(text))))
  }
  const memory = openSqliteMemory(newPath(), { embedder: { embed } })
  for (const user of ["The kitten sleeps.", "The automobile is red."])
    await memory.note(ana, { user, answer: "", nowMs: 0 })
  const other = { ...ana, conversationId: "c2" }
  expect((await recall(memory, other, "Which car?")).facts).toEqual(["The automobile is red."])
  isUp = false
  await memory.note(ana, { user: "The dog barks.", answer: "", nowMs: 0 })
  expect((await recall(memory, other, "Which dog?")).facts).toEqual(["The dog barks."])
  memory.close()
})

test("memory: a model's summary is written on from the one before; one that is too long or fails gives way to sentences", async () => {
  const tasks: { previous: string | undefined; numTurns: number }[] = []
  let answer = async (): Promise<string> => "Ana waits."
  const memory = openSqliteMemory(newPath(), {
    summarise: ({ previous, turns }) => {
      tasks.push({ previous, numTurns: turns.length })
      return answer()
    },
  })
  const say = (i: number) => memory.note(ana, { user: `I want ${i} lamps.`, answer: "Good. ".repeat(15), nowMs: i })
  for (let i = 0; i < 10; i++) await say(i)
  expect((await recall(memory, ana, "lamps", 200)).summary).toBe("Ana waits.")
  expect((await recall(memory, ana, "lamps", 200)).summary).toBe("Ana waits.")
  await say(10)
  await recall(memory, ana, "lamps", 200)
  expect(tasks).toEqual([
    { previous: undefined, numTurns: 14 },
    { previous: "Ana waits.", numTurns: 2 },
  ])
  answer = async () => "long ".repeat(500)
  await say(11)
  expect((await recall(memory, ana, "lamps", 200)).summary).toMatch(/user: I want \d+ lamps\./)
  answer = async () => Promise.reject(new Error("down"))
  await say(12)
  expect((await recall(memory, ana, "lamps", 200)).summary).toMatch(/user: I want \d+ lamps\./)
  memory.close()
})
