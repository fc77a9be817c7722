import { splitSentences } from "../words/splitSentences.ts"

/** A piece of a document, and the headings above it, outermost first. */
export interface Piece {
  readonly headings: readonly string[]
  readonly text: string
}

/** Tokens of a piece, about: what embedders read, and small enough that several fit into a prompt. */
const MOST_TOKENS = 180
/** What is repeated of the piece before: sentences that belong together are often cut apart. */
const OVERLAP_TOKENS = 30

const HEADING = /^ {0,3}(#{1,6})\s+(.+?)\s*#*\s*$/
const FENCE = /^ {0,3}(```|~~~)/

/**
 * Cuts a document into pieces by headings (of markdown) and paragraphs; a paragraph that is too long is cut between its sentences.
 *
 * Pieces of one section begin with the last short sentence of the piece before.
 */
export function cutDocument(text: string, format: "markdown" | "text"): Piece[] {
  const sections = format === "markdown" ? sectionsOf(text) : [{ headings: [], text }]
  return sections.flatMap(({ headings, text: body }) => cutSection(body).map((piece) => ({ headings, text: piece })))
}

function sectionsOf(text: string): Piece[] {
  const sections: { headings: readonly string[]; lines: string[] }[] = [{ headings: [], lines: [] }]
  let path: (string | undefined)[] = []
  let fence: string | undefined
  for (const line of text.split(/\r?\n/)) {
    const mark = FENCE.exec(line)?.[1]
    if (mark !== undefined && (fence === undefined || mark === fence)) fence = fence === undefined ? mark : undefined
    const heading = fence === undefined ? HEADING.exec(line) : null
    if (heading === null) {
      sections.at(-1)!.lines.push(line)
      continue
    }
    const depth = heading[1]!.length
    path = [...Array.from({ length: depth - 1 }, (_, i) => path[i]), heading[2]!]
    sections.push({ headings: path.filter((title) => title !== undefined), lines: [] })
  }
  return sections.map(({ headings, lines }, i) => {
    const text = lines.join("\n")
    // A heading without text says something itself, unless it only stands over others.
    const isBare = text.trim() === "" && (sections[i + 1]?.headings.length ?? 0) <= headings.length
    return { headings, text: isBare ? (headings.at(-1) ?? "") : text }
  })
}

function cutSection(text: string): string[] {
  const pieces: string[] = []
  let open = ""
  for (const { part, gap } of partsOf(text)) {
    const whole = open === "" ? part : open + gap + part
    if (open !== "" && sizeOf(whole) > MOST_TOKENS) {
      pieces.push(open)
      const last = splitSentences(open).at(-1)!
      open = sizeOf(last) <= OVERLAP_TOKENS && last !== open ? `${last}${gap}${part}` : part
    } else open = whole
  }
  return open === "" ? pieces : [...pieces, open]
}

/** Paragraphs, those that are too long as sentences, and sentences that are too long as runs of letters. */
function partsOf(text: string): { part: string; gap: string }[] {
  const paragraphs = text.split(/\n[ \t]*\n/).map((paragraph) => paragraph.trim())
  return paragraphs.filter(Boolean).flatMap((paragraph) => {
    if (sizeOf(paragraph) <= MOST_TOKENS) return [{ part: paragraph, gap: "\n\n" }]
    const sentences = splitSentences(paragraph).flatMap((sentence) => cutEvenly(sentence))
    return sentences.map((part, i) => ({ part, gap: i === 0 ? "\n\n" : " " }))
  })
}

function cutEvenly(sentence: string): string[] {
  const letters = [...sentence]
  const numPieces = Math.ceil(sizeOf(sentence) / (MOST_TOKENS - OVERLAP_TOKENS))
  const length = Math.ceil(letters.length / numPieces)
  return Array.from({ length: numPieces }, (_, i) => letters.slice(i * length, (i + 1) * length).join("")).filter(
    Boolean,
  )
}

/** Tokens, about: one for a Chinese letter or a digit, one for four others. */
function sizeOf(text: string): number {
  const numLone =
    text.match(/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{N}]/gu)?.length ?? 0
  return numLone + (text.length - numLone) / 4
}
