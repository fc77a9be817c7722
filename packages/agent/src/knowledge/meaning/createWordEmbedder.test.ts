import { expect, test } from "bun:test"
import { cosine } from "../../words/cosine.ts"
import { createWordEmbedder } from "./createWordEmbedder.ts"
import { packWordVectors, readWordVectors } from "./wordVectorsFile.ts"

const { embed } = createWordEmbedder()
const near = async (a: string, b: string): Promise<number> => {
  const [one, other] = (await embed([a, b])) as [Float32Array, Float32Array]
  return cosine(one, other)
}

test("createWordEmbedder: what means alike is nearer than what shares a word", async () => {
  const lost = "I can't find my credit card"
  expect(await near(lost, "Lost or stolen bank cards are blocked")).toBeGreaterThan(
    (await near(lost, "We send a greeting card at Christmas")) + 0.1,
  )
  expect(await near("a physician", "my doctor")).toBeGreaterThan(await near("a physician", "my kettle"))
})

test("createWordEmbedder: case and accents do not count, and an unknown word is near what it begins with", async () => {
  expect(await near("CAFÉ!", "café")).toBeCloseTo(1)
  expect(await near("refundable", "refund")).toBeGreaterThan(await near("refundable", "kettle"))
})

test("createWordEmbedder: of Chinese, figures, nothing and endless words it knows nothing", async () => {
  const vectors = await embed(["怎么退款", "2026", "", "a".repeat(4_000_000)])
  for (const vector of vectors) expect(vector.every((value) => value === 0)).toBe(true)
})

test("packWordVectors: words come back whole, values within half a step of 127", () => {
  const words = ["card", "##s", "lost"]
  const values = Float32Array.of(1, -0.5, 0, 0, -3, 2)
  const { size, words: readWords, rows, scales } = readWordVectors(Uint8Array.from(packWordVectors(words, values)))
  expect([size, readWords]).toEqual([2, words])
  for (const [i, value] of values.entries()) {
    const scale = scales[Math.floor(i / size)]!
    expect(Math.abs(scale * rows[i]! - value)).toBeLessThanOrEqual(scale / 2 + 1e-7)
  }
})
