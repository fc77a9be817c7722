import { hash32 } from "@consilium/tensor"

/** Hashes of what stands in a text, each as often as it does: single words and pairs of them; runs of characters within words. */
export interface Grams {
  readonly words: readonly number[]
  readonly characters: readonly number[]
}

/** The beginning decides: a longer text says its matter early, and a router has milliseconds. */
const MOST_TEXT = 8000
const SHORTEST_RUN = 2
const LONGEST_RUN = 5
/** Scripts that put no spaces between words: there each character is one, and pairs of them do what words do elsewhere. */
const UNSPACED = String.raw`\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}`
const LETTERS = String.raw`\p{L}\p{N}\p{M}'`
const WORD = new RegExp(`[${UNSPACED}]|[[${LETTERS}]--[${UNSPACED}]]+`, "gv")
const STRETCH = new RegExp(`[${LETTERS}]+`, "gv")
/** Kinds of grams hash apart. */
const KIND = { text: 0, word: 1, pair: 2, characters: 3 }

const UNSPACED_START = new RegExp(`^[${UNSPACED}]`, "v")

/** Whether a word is one character of a script that puts no spaces between words: a part of one, rather. */
export function isUnspaced(word: string): boolean {
  return UNSPACED_START.test(word)
}

/** Returns a text's words, in one case and one Unicode form (NFKC). */
export function wordsOf(text: string): string[] {
  return normalized(text).match(WORD) ?? []
}

/** Hashes a text's grams to 32 bits. The same seed gives the same hashes on every machine. */
export function hashGrams(text: string, seed: number): Grams {
  const words: number[] = []
  const characters: number[] = []
  let before = ""
  for (const word of wordsOf(text)) {
    words.push(finish(mixAll(start(seed, KIND.word), word)))
    words.push(finish(mixAll(mix(mixAll(start(seed, KIND.pair), before), 32), word)))
    before = word
  }
  for (const stretch of normalized(text).match(STRETCH) ?? []) {
    hashRuns(characters, ` ${stretch} `, start(seed, KIND.characters))
  }
  return { words, characters }
}

/** Hashes a whole text, in one case and one Unicode form. */
export function hashText(text: string, seed: number): number {
  return finish(mixAll(start(seed, KIND.text), normalized(text)))
}

/** Pushes the hash of every run of characters, the borders of the word among them. */
function hashRuns(out: number[], padded: string, start: number): void {
  for (let first = 0; first + SHORTEST_RUN <= padded.length; first++) {
    let hash = start
    const end = Math.min(padded.length, first + LONGEST_RUN)
    for (let i = first; i < end; i++) {
      hash = mix(hash, padded.charCodeAt(i))
      if (i + 1 - first >= SHORTEST_RUN) out.push(finish(hash))
    }
  }
}

/** Where hashes of a kind begin. */
function start(seed: number, kind: number): number {
  return hash32(Math.imul(seed, 4) + kind)
}

function normalized(text: string): string {
  return text.slice(0, MOST_TEXT).normalize("NFKC").toLowerCase()
}

function mixAll(hash: number, text: string): number {
  for (let i = 0; i < text.length; i++) hash = mix(hash, text.charCodeAt(i))
  return hash
}

/** One step of FNV-1a, with a shift that lets high bits down again. */
function mix(hash: number, code: number): number {
  const product = Math.imul(hash ^ code, 0x01000193)
  return product ^ (product >>> 15)
}

const finish = hash32
