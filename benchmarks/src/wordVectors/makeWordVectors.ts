/**
 * Makes the word vectors that packages/agent ships with, from a sentence encoder that is far too large to ship.
 *
 *     bun benchmarks/src/wordVectors/makeWordVectors.ts <folder of all-MiniLM-L6-v2: model.onnx, tokenizer.json> <WordNet's dict folder>
 *
 * Each word, and each piece of words, of the encoder's own vocabulary begins where the encoder puts it alone, weighed by how rare it is; then all are
 * moved so that sums of words come to where the encoder puts WordNet's definitions and examples. It knows no question and no document of ours.
 *
 * @see Minishlab's model2vec and Reimers & Gurevych, arXiv:1908.10084, for the ideas; SIF: Arora et al., "A Simple but Tough-to-Beat Baseline", ICLR 2017
 */
import { packWordVectors } from "@consilium/agent"
import { loadTokenizer } from "@consilium/model"
import { openForeignModel } from "@consilium/onnx"
import { createRandom } from "@consilium/tensor"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { shuffle } from "../shuffle.ts"
import { askTeacher } from "./askTeacher.ts"
import { fitWordVectors, type Lessons, nearness } from "./fitWordVectors.ts"
import { principalAxes, project } from "./principalAxes.ts"
import { readWordNet } from "./readWordNet.ts"

const FILE = join(import.meta.dir, "../../../packages/agent/data/word-vectors.bin")
const SEED = 7
/** As many as fit into 3 MB. */
const SIZE = 96
/** Of SIF: how common a word must be to say half as much. */
const RARITY = 1e-3
const MOST_TOKENS = 64
/** Texts that nothing is learnt from. */
const NUM_HELD_OUT = 3000

const [encoderDir, dictDir] = Bun.argv.slice(2)
if (encoderDir === undefined || dictDir === undefined)
  throw new Error("expected the encoder's folder and WordNet's dict folder")
const random = createRandom(SEED)
const tokenizer = loadTokenizer(encoderDir)
const teacher = openForeignModel(join(encoderDir, "model.onnx"), 1)
const { vocab } = (
  JSON.parse(readFileSync(join(encoderDir, "tokenizer.json"), "utf8")) as { model: { vocab: Record<string, number> } }
).model

const words = Object.keys(vocab).filter((word) => /^(?:##)?[a-z]+$/.test(word))
const rowOf = new Map(words.map((word, row) => [vocab[word]!, row]))
const [begin, end] = [vocab["[CLS]"]!, vocab["[SEP]"]!]
console.log(`${words.length} words and pieces`)
const alone = askTeacher(
  teacher,
  words.map((word) => [begin, vocab[word]!, end]),
)

const texts = shuffle([...readWordNet(dictDir, (word) => word in vocab)], random).map((text) =>
  tokenizer.encode(text, { addSpecialTokens: true }).slice(0, MOST_TOKENS),
)
console.log(`${texts.length} texts`)
const targets = askTeacher(teacher, texts)
teacher.close()

const width = targets.length / texts.length
const axes = principalAxes(targets, width, SIZE, random)
const vectors = project(alone, width, axes)
// The vocabulary is ordered by how common words are, from "the" on: Zipf's law says the rest.
const harmonic = Math.log(words.length)
for (const [row, word] of words.entries()) {
  const rank = Math.max(1, vocab[word]! - vocab["the"]! + 1)
  const weight = RARITY / (RARITY + 1 / (rank * harmonic))
  for (let i = 0; i < SIZE; i++) vectors[row * SIZE + i]! *= weight
}
const parts = project(targets, width, axes)
const lessons = (from: number, to?: number): Lessons => ({
  texts: texts.slice(from, to).map((ids) => ids.flatMap((id) => rowOf.get(id) ?? [])),
  targets: parts.subarray(from * SIZE, to && to * SIZE),
})
const heldOut = lessons(0, NUM_HELD_OUT)
console.log(`cosine to the encoder, texts held out: ${nearness(vectors, SIZE, heldOut).toFixed(3)}`)
fitWordVectors(vectors, SIZE, lessons(NUM_HELD_OUT), random)
console.log(`… ${nearness(vectors, SIZE, heldOut).toFixed(3)} when fitted`)
writeFileSync(FILE, packWordVectors(words, vectors))
