/** Most characters that are mended: a call is no document. */
const MOST_LENGTH = 2 ** 16
const MOST_DEPTH = 32

/** What follows the value without changing it: closers too many, a fence's end, a full stop. */
const TAIL = /^[\s}\])`;.,]*$/
const NUMBER = /^[+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/
const WORDS: Readonly<Record<string, string>> = {
  true: "true",
  True: "true",
  false: "false",
  False: "false",
  null: "null",
  None: "null",
  undefined: "null",
}
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", b: "\b", f: "\f", "0": "\0" }

class Unreadable extends Error {}

/** Where the reader stands. Its closers may be missing only where the answer was not cut short. */
interface Cursor {
  readonly text: string
  readonly mayEndEarly: boolean
  at: number
}

/**
 * Turns what a small model takes for a JSON object or array into JSON; undefined where that is anybody's guess.
 *
 * It reads trailing and missing commas, single quotes, bare keys and words, Python's literals, `key=value`, line breaks in strings, closers too many.
 * Nothing is evaluated, and JSON comes out as it was.
 *
 * @param mayEndEarly whether closers that are missing at the end are added
 */
export function mendJson(text: string, mayEndEarly: boolean): string | undefined {
  if (text.length > MOST_LENGTH) return undefined
  const cursor: Cursor = { text: text.trim(), mayEndEarly, at: 0 }
  if (!"{[".includes(cursor.text[0] ?? " ")) return undefined
  try {
    const json = readValue(cursor, 0)
    return TAIL.test(cursor.text.slice(cursor.at)) ? json : undefined
  } catch (error) {
    if (error instanceof Unreadable) return undefined
    throw error
  }
}

/**
 * Turns the arguments of a call in Python's form, `city="Paris", days=3)`, into a JSON object, and says where they end.
 *
 * @param start behind the opening parenthesis
 */
export function mendKeywords(
  text: string,
  start: number,
  mayEndEarly: boolean,
): { readonly json: string; readonly end: number } | undefined {
  if (text.length > MOST_LENGTH) return undefined
  const cursor: Cursor = { text, mayEndEarly, at: start }
  try {
    return { json: readPairs(cursor, ")", 1), end: cursor.at }
  } catch (error) {
    if (error instanceof Unreadable) return undefined
    throw error
  }
}

function readValue(cursor: Cursor, depth: number): string {
  if (depth > MOST_DEPTH) throw new Unreadable()
  const first = cursor.text[cursor.at]
  if (first === undefined) throw new Unreadable()
  if (first === "{" || first === "[" || first === "(") {
    cursor.at++
    return first === "{" ? readPairs(cursor, "}", depth + 1) : readItems(cursor, first === "[" ? "]" : ")", depth + 1)
  }
  return first === '"' || first === "'" ? JSON.stringify(readString(cursor, first)) : readWord(cursor)
}

function readPairs(cursor: Cursor, close: string, depth: number): string {
  const pairs: string[] = []
  while (!readClose(cursor, close)) {
    const key = readKey(cursor)
    skipSpace(cursor)
    if (!":=".includes(cursor.text[cursor.at] ?? " ")) throw new Unreadable()
    cursor.at++
    skipSpace(cursor)
    pairs.push(`${JSON.stringify(key)}:${readValue(cursor, depth)}`)
  }
  return `{${pairs.join(",")}}`
}

function readItems(cursor: Cursor, close: string, depth: number): string {
  const items: string[] = []
  while (!readClose(cursor, close)) items.push(readValue(cursor, depth))
  return `[${items.join(",")}]`
}

/** Skips commas, and says whether the object or array ends here. */
function readClose(cursor: Cursor, close: string): boolean {
  skipSpace(cursor)
  while (cursor.text[cursor.at] === ",") {
    cursor.at++
    skipSpace(cursor)
  }
  const next = cursor.text[cursor.at]
  if (next === close) {
    cursor.at++
    return true
  }
  // A closer of what stands around it: its own was forgotten.
  if (next !== undefined && "}])".includes(next)) {
    if (cursor.mayEndEarly) return true
    throw new Unreadable()
  }
  if (next === undefined && !cursor.mayEndEarly) throw new Unreadable()
  return next === undefined
}

function readKey(cursor: Cursor): string {
  const first = cursor.text[cursor.at]!
  if (first === '"' || first === "'") return readString(cursor, first)
  const key = /^[\p{L}_$][\p{L}\p{N}_$-]*/u.exec(cursor.text.slice(cursor.at, cursor.at + 128))?.[0]
  if (key === undefined) throw new Unreadable()
  cursor.at += key.length
  return key
}

function readString(cursor: Cursor, quote: string): string {
  const { text, mayEndEarly } = cursor
  let value = ""
  for (let at = cursor.at + 1; at < text.length; at++) {
    const char = text[at]!
    if (char === quote) {
      cursor.at = at + 1
      return value
    }
    if (char !== "\\") {
      value += char
      continue
    }
    const code = /^(?:u([\da-fA-F]{4})|x([\da-fA-F]{2}))/.exec(text.slice(at + 1, at + 6))
    const next = text[at + 1] ?? ""
    value += code === null ? (ESCAPES[next] ?? next) : String.fromCharCode(Number.parseInt(code[1] ?? code[2]!, 16))
    at += code === null ? 1 : code[0].length
  }
  if (!mayEndEarly) throw new Unreadable()
  cursor.at = text.length
  return value
}

/** A number, a literal, or words that somebody forgot to quote. */
function readWord(cursor: Cursor): string {
  const word = /^[^,}\])\n"'{[(]*/.exec(cursor.text.slice(cursor.at))![0]
  cursor.at += word.length
  const value = word.trim()
  if (value === "") throw new Unreadable()
  if (NUMBER.test(value)) return JSON.stringify(Number(value.replaceAll("_", "")))
  return WORDS[value] ?? JSON.stringify(value)
}

function skipSpace(cursor: Cursor): void {
  while (/\s/.test(cursor.text[cursor.at] ?? "x")) cursor.at++
}
