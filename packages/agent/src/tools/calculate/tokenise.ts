import { ToolError } from "../AgentTool.ts"

export type Token =
  | { readonly kind: "number"; readonly text: string; readonly at: number }
  /** A function, a constant. */
  | { readonly kind: "name"; readonly text: string; readonly at: number }
  | { readonly kind: "unit"; readonly text: string; readonly at: number }
  | { readonly kind: "operator"; readonly text: Operator; readonly at: number }
  | { readonly kind: "end"; readonly text: ""; readonly at: number }

export type Operator = "+" | "-" | "*" | "/" | "^" | "%" | "mod" | "of" | "(" | ")" | ","

/** Longest first, so that `**` is not read as two signs. */
const SIGNS: readonly (readonly [sign: string, operator: Operator])[] = [
  ["乘以", "*"],
  ["除以", "/"],
  ["**", "^"],
  ["+", "+"],
  ["加", "+"],
  ["-", "-"],
  ["−", "-"],
  ["–", "-"],
  ["减", "-"],
  ["*", "*"],
  ["×", "*"],
  ["·", "*"],
  ["⋅", "*"],
  ["乘", "*"],
  ["/", "/"],
  ["÷", "/"],
  ["^", "^"],
  ["%", "%"],
  ["(", "("],
  [")", ")"],
  [",", ","],
]

const WORDS: ReadonlyMap<string, Operator> = new Map([
  ["plus", "+"],
  ["minus", "-"],
  ["times", "*"],
  ["percent", "%"],
  ["mod", "mod"],
  ["of", "of"],
])

const UNITS: ReadonlyMap<string, string> = new Map([
  ["$", "$"],
  ["€", "€"],
  ["£", "£"],
  ["¥", "¥"],
  ["元", "¥"],
])

const NUMBER = /(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/y
/** Groups of three, and no digit after the last one: `1,2345` is no number. */
const GROUPED = /\d{1,3}(?:,\d{3})+(?![\d,])(?:\.\d*)?/y
const NAME = /\p{L}[\p{L}\p{N}_]*/uy
const SPACE = /\s+/y

/**
 * Splits an expression into its words.
 *
 * Commas between groups of three digits belong to the number, except within a function's parentheses, where a comma always parts
 * arguments: `max(1,200)` is 200. An `x` after an operand is a times sign.
 *
 * @throws ToolError at a character that no expression has
 */
export function tokenise(source: string): readonly Token[] {
  const text = plainCharacters(source)
  const tokens: Token[] = []
  /** For each open parenthesis, whether a function opened it or one around it. */
  const isInFunction: boolean[] = []
  for (let at = skipSpace(text, 0); at < text.length;) {
    const token = readToken(text, at, tokens.at(-1), isInFunction.at(-1) ?? false)
    if (token.text === "(") isInFunction.push((isInFunction.at(-1) ?? false) || tokens.at(-1)?.kind === "name")
    if (token.text === ")") isInFunction.pop()
    tokens.push(token)
    at = skipSpace(text, token.end)
  }
  tokens.push({ kind: "end", text: "", at: text.length })
  return tokens
}

function readToken(
  text: string,
  at: number,
  before: Token | undefined,
  isInFunction: boolean,
): Token & { end: number } {
  const number = (isInFunction ? undefined : match(GROUPED, text, at)) ?? match(NUMBER, text, at)
  if (number !== undefined) {
    return { kind: "number", text: number.replaceAll(",", ""), at, end: at + number.length }
  }
  const unit = UNITS.get(text[at]!)
  if (unit !== undefined) return { kind: "unit", text: unit, at, end: at + 1 }
  const sign = SIGNS.find(([sign]) => text.startsWith(sign, at))
  if (sign !== undefined) return { kind: "operator", text: sign[1], at, end: at + sign[0].length }
  if (/^[xX](?!\p{L})/u.test(text.slice(at, at + 2)) && endsOperand(before)) {
    return { kind: "operator", text: "*", at, end: at + 1 }
  }
  const name = match(NAME, text, at)
  if (name === undefined) throw new ToolError(`expected numbers and operators, found "${text[at]}" at ${at + 1}`)
  const word = WORDS.get(name.toLowerCase())
  const end = at + name.length
  return word === undefined ? { kind: "name", text: name, at, end } : { kind: "operator", text: word, at, end }
}

function endsOperand(token: Token | undefined): boolean {
  return token !== undefined && (token.kind !== "operator" || token.text === ")" || token.text === "%")
}

function match(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0]
}

function skipSpace(text: string, at: number): number {
  return at + (match(SPACE, text, at)?.length ?? 0)
}

/**
 * Full-width forms become the plain ones, one for one. Unicode's compatibility form would do more than that: it makes 52 of 5².
 */
function plainCharacters(source: string): string {
  return source
    .replaceAll(/[！-～]/g, (wide) => String.fromCharCode(wide.charCodeAt(0) - 0xfee0))
    .replaceAll("￥", "¥")
    .replaceAll("￡", "£")
    .replaceAll("π", "pi")
    .replaceAll(/√\s*(\d+(?:\.\d+)?)/g, "sqrt($1)")
    .replaceAll("√", "sqrt")
    .replaceAll("²", "^2")
    .replaceAll("³", "^3")
    .replace(/\s*=\s*\??\s*$/, "")
}
