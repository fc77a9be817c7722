import { RouterError } from "../RouterError.ts"

/** Says whether a text matches somewhere. */
export type PatternTest = (text: string) => boolean

const MOST_PATTERN = 500
/** Repeats are written out: bounds the program, and with it the time for a character. */
const MOST_STATES = 1000

/** A step of the program: take one character, go on at two places, or check where we are. */
type State =
  | { readonly op: "take"; readonly takes: (character: string) => boolean; next: number }
  | { readonly op: "split"; next: number; other: number }
  | { readonly op: "check"; readonly at: string; next: number }
  | { readonly op: "match" }

/**
 * Compiles a regular expression, without regard to case, to a matcher that takes time in proportion to the text, whatever the pattern.
 *
 * All ways are followed at once, so none is tried again (Thompson's construction, as in RE2); that knows no look-around and no back-references.
 * What one character may be (`[a-z]`, `\d`, `\p{Han}`) is asked of the runtime's own expressions.
 *
 * @throws RouterError saying what in the pattern is not taken
 * @see Russ Cox, Regular Expression Matching Can Be Simple And Fast, https://swtch.com/~rsc/regexp/regexp1.html
 */
export function compilePattern(source: string): PatternTest {
  const fail: Fail = (what) => {
    throw new RouterError(`pattern ${JSON.stringify(source.slice(0, 80))}: ${what}`)
  }
  if (source.length > MOST_PATTERN)
    fail(`expected at most ${MOST_PATTERN} characters, found ${source.length}: use several rules`)
  try {
    RegExp(source, "iu")
  } catch (error) {
    fail(`expected a regular expression: ${(error as Error).message}`)
  }
  const states: State[] = [{ op: "match" }]
  const start = createCompiler(source.match(TOKEN) ?? [], states, fail)
  return (text) => run(states, start, text)
}

type Fail = (what: string) => never

/** An escape, a class, a group's beginning, a quantifier, or one character: the pattern compiles, so that nothing else is possible. */
const TOKEN =
  /\\(?:[pP]\{[^}]*\}|u\{[^}]*\}|u[0-9a-f]{4}|x[0-9a-f]{2}|c[a-z]|k<[^>]*>|[^])|\[(?:\\[^]|[^\]\\])*\]|\((?:\?(?:<?[=!]|[a-z-]*:|<[^>]*>))?|(?:[*+?]|\{\d+(?:,\d*)?\})\??|[^]/giu
const QUANTIFIER = /^(?:([*+?])|\{(\d+)(,(\d*))?\})\??$/
const CHECKS = ["^", "$", "\\b", "\\B"]

/** A part of the pattern: given where to go on, adds its states and returns where it begins. */
type Part = (next: number) => number

/** Adds the program's states behind the first, which is the match; returns where it begins. */
function createCompiler(tokens: readonly string[], states: State[], fail: Fail): number {
  let at = 0
  const add = (state: State): number => {
    if (states.length >= MOST_STATES) fail(`expected fewer repeats, found more than ${MOST_STATES} characters in all`)
    return states.push(state) - 1
  }
  const readAlternatives = (): Part => {
    const parts = [readSequence()]
    while (tokens[at] === "|") {
      at++
      parts.push(readSequence())
    }
    return parts.reduceRight((rest, part) => (next) => add({ op: "split", next: part(next), other: rest(next) }))
  }
  const readSequence = (): Part => {
    const parts: Part[] = []
    while (at < tokens.length && tokens[at] !== "|" && tokens[at] !== ")") parts.push(readRepeated())
    return (next) => parts.reduceRight((after, part) => part(after), next)
  }
  const readRepeated = (): Part => {
    const part = readPart()
    const [, sign, least = "0", comma, most] = QUANTIFIER.exec(tokens[at] ?? "") ?? []
    if (sign === undefined && !/^\{\d/.test(tokens[at] ?? "")) return part
    at++
    if (sign !== undefined)
      return repeat(part, sign === "+" ? 1 : 0, sign === "?" ? 1 : Number.POSITIVE_INFINITY, states, add)
    const bound = comma === undefined ? Number(least) : most === "" ? Number.POSITIVE_INFINITY : Number(most)
    return repeat(part, Number(least), bound, states, add)
  }
  const readPart = (): Part => {
    const token = tokens[at++]!
    if (/^\(\?<?[=!]/.test(token)) fail(`expected no look-around, found ${token}`)
    if (/^\(\?[a-z-]+:/.test(token)) fail(`expected no flags of a group, found ${token}`)
    if (/^\\(?:[1-9]|k<)/.test(token)) fail(`expected no back-reference, found ${token}`)
    if (CHECKS.includes(token)) return (next) => add({ op: "check", at: token, next })
    if (!token.startsWith("(")) {
      const takes = oneCharacter(token)
      return (next) => add({ op: "take", takes, next })
    }
    const inner = readAlternatives()
    at++
    return inner
  }
  return readAlternatives()(0)
}

function repeat(part: Part, least: number, most: number, states: State[], add: (state: State) => number): Part {
  return (next) => {
    let after = next
    if (most === Number.POSITIVE_INFINITY) {
      const loop = add({ op: "split", next, other: next })
      ;(states[loop] as State & { op: "split" }).next = part(loop)
      after = loop
    } else for (let n = least; n < most; n++) after = add({ op: "split", next: part(after), other: next })
    for (let n = 0; n < least; n++) after = part(after)
    return after
  }
}

/** Returns whether a character is one that a token stands for; asked once of the runtime, then remembered. */
function oneCharacter(token: string): (character: string) => boolean {
  const expression = new RegExp(`^${token}$`, "iu")
  const known = new Map<string, boolean>()
  return (character) => {
    let takes = known.get(character)
    if (takes === undefined) {
      takes = expression.test(character)
      if (known.size < 1000) known.set(character, takes)
    }
    return takes
  }
}

function run(states: readonly State[], start: number, text: string): boolean {
  const characters = [...text]
  const seen = new Int32Array(states.length).fill(-1)
  let current: number[] = []
  for (let place = 0; place <= characters.length; place++) {
    // A match may begin anywhere.
    const open = [...current, start]
    const taking: number[] = []
    while (open.length > 0) {
      const id = open.pop()!
      if (seen[id] === place) continue
      seen[id] = place
      const state = states[id]!
      if (state.op === "match") return true
      if (state.op === "split") open.push(state.other, state.next)
      else if (state.op === "take") taking.push(id)
      else if (holds(state.at, characters, place)) open.push(state.next)
    }
    const character = characters[place]
    if (character === undefined) return false
    current = []
    for (const id of taking) {
      const state = states[id] as State & { op: "take" }
      if (state.takes(character)) current.push(state.next)
    }
  }
  return false
}

function holds(check: string, characters: readonly string[], place: number): boolean {
  if (check === "^") return place === 0
  if (check === "$") return place === characters.length
  const isWord = (character: string | undefined): boolean => character !== undefined && /\w/.test(character)
  return (isWord(characters[place - 1]) !== isWord(characters[place])) === (check === "\\b")
}
