import { readFileSync } from "node:fs"
import { join } from "node:path"
import { readWordVectors } from "./wordVectorsFile.ts"

/** How it is made, and of what: the README beside it. */
const FILE = join(import.meta.dir, "../../../data/word-vectors.bin")
/** Longer ones are no words, and would take long to cut. */
const LONGEST_WORD = 40

/**
 * Loads the embedder that ships with this package: English, without a model, some 50 µs a passage.
 *
 * A text's vector is the sum of its words' vectors, made as long as 1; a word that is not in the table is cut into the longest pieces that are.
 * Texts of none of them, such as Chinese ones, have the vector 0.
 */
export function createWordEmbedder(): { readonly embed: (texts: readonly string[]) => Promise<Float32Array[]> } {
  const { size, words, rows, scales } = readWordVectors(readFileSync(FILE))
  const rowOf = new Map(words.map((word, row) => [word, row]))
  return {
    embed: async (texts) =>
      texts.map((text) => {
        const sum = new Float32Array(size)
        for (const word of wordsOf(text))
          for (const row of cutWord(word, rowOf))
            for (let i = 0, at = row * size; i < size; i++, at++) sum[i]! += scales[row]! * rows[at]!
        const norm = Math.sqrt(sum.reduce((squares, value) => squares + value * value, 0))
        return norm === 0 ? sum : sum.map((value) => value / norm)
      }),
  }
}

/** Figures are left to the search by words, which tells them apart. */
function wordsOf(text: string): readonly string[] {
  const plain = text.normalize("NFKD").replaceAll(/\p{M}/gu, "").toLowerCase()
  return plain.match(/[a-z]+/g)?.filter((word) => word.length <= LONGEST_WORD) ?? []
}

/** Returns the rows of a word's pieces, each the longest that fits (WordPiece); none where a rest fits none. */
function cutWord(word: string, rowOf: ReadonlyMap<string, number>): readonly number[] {
  const rows: number[] = []
  for (let start = 0; start < word.length;) {
    let end = word.length
    const pieceTo = (): number | undefined => rowOf.get((start === 0 ? "" : "##") + word.slice(start, end))
    while (end > start && pieceTo() === undefined) end--
    if (end === start) return []
    rows.push(pieceTo()!)
    start = end
  }
  return rows
}
