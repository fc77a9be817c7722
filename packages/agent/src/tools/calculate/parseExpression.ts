import { ToolError } from "../AgentTool.ts"
import { type Operator, type Token, tokenise } from "./tokenise.ts"

export type BinaryOperator = "+" | "-" | "*" | "/" | "^" | "mod" | "of"

export type Expression =
  | { readonly kind: "number"; readonly text: string }
  | { readonly kind: "constant"; readonly name: string }
  | { readonly kind: "money"; readonly unit: string; readonly amount: Expression }
  | { readonly kind: "percent"; readonly operand: Expression }
  | { readonly kind: "negate"; readonly operand: Expression }
  | {
      readonly kind: "binary"
      readonly operator: BinaryOperator
      readonly left: Expression
      readonly right: Expression
    }
  | { readonly kind: "call"; readonly name: string; readonly args: readonly Expression[] }

/** Characters, as they are typed. */
const MOST_LENGTH = 256
/** Parentheses, signs and powers within one another. */
const MOST_DEPTH = 64

/** How strongly an operator holds its operands: a sign stands between `*` and `^`, so that -2^2 is -4. */
const STRENGTH: ReadonlyMap<Operator, number> = new Map([
  ["+", 1],
  ["-", 1],
  ["*", 2],
  ["/", 2],
  ["mod", 2],
  ["of", 2],
  ["^", 4],
])
const SIGN_STRENGTH = 3

/**
 * Reads an arithmetic expression by precedence climbing (Pratt): `^` goes to the right, everything else to the left.
 *
 * A `%` with an operand right after it is the remainder (`7 % 4`), any other a percentage (`15% of 80`, `200 + 10%`, `7% - 4`).
 *
 * @throws ToolError saying what was expected and what was found
 */
export function parseExpression(source: string): Expression {
  if (source.length > MOST_LENGTH) {
    throw new ToolError(`the expression has ${source.length} characters, at most ${MOST_LENGTH} are calculated`)
  }
  const cursor = { tokens: tokenise(source), next: 0 }
  const expression = parseOperators(cursor, 1, 0)
  const rest = peek(cursor)
  if (rest.kind !== "end") throw unexpected(rest, "an operator")
  return expression
}

interface Cursor {
  readonly tokens: readonly Token[]
  next: number
}

function parseOperators(cursor: Cursor, least: number, depth: number): Expression {
  if (depth > MOST_DEPTH) throw new ToolError(`the expression is nested deeper than ${MOST_DEPTH}: simplify it`)
  let left = parseOperand(cursor, depth)
  for (;;) {
    const operator = peekBinary(cursor)
    const strength = operator === undefined ? 0 : STRENGTH.get(operator)!
    if (operator === undefined || strength < least) return left
    cursor.next++
    const right = parseOperators(cursor, operator === "^" ? strength : strength + 1, depth + 1)
    left = { kind: "binary", operator, left, right }
  }
}

function peekBinary(cursor: Cursor): BinaryOperator | undefined {
  const { kind, text } = peek(cursor)
  if (kind !== "operator" || text === "(" || text === ")" || text === ",") return undefined
  return text === "%" ? "mod" : text
}

function parseOperand(cursor: Cursor, depth: number): Expression {
  const token = peek(cursor)
  if (token.text === "-" || token.text === "+") {
    cursor.next++
    const operand = parseOperators(cursor, SIGN_STRENGTH, depth + 1)
    return token.text === "-" ? { kind: "negate", operand } : operand
  }
  let operand = parseAmount(cursor, depth)
  while (peek(cursor).text === "%" && !startsOperand(cursor.tokens[cursor.next + 1]!)) {
    cursor.next++
    operand = { kind: "percent", operand }
  }
  return operand
}

/** A sign begins no operand here: `7% - 4` is a difference. */
function startsOperand(token: Token): boolean {
  return token.kind === "number" || token.kind === "name" || token.kind === "unit" || token.text === "("
}

/** An operand with its currency, before it or after it. */
function parseAmount(cursor: Cursor, depth: number): Expression {
  const before = take(cursor, "unit")
  const amount = parsePrimary(cursor, depth)
  const after = take(cursor, "unit")
  if (before !== undefined && after !== undefined) throw unexpected(after, "one currency")
  const unit = before ?? after
  return unit === undefined ? amount : { kind: "money", unit: unit.text, amount }
}

function parsePrimary(cursor: Cursor, depth: number): Expression {
  const number = take(cursor, "number")
  if (number !== undefined) return { kind: "number", text: number.text }
  const name = take(cursor, "name")
  if (name !== undefined) {
    if (peek(cursor).text === "(") return { kind: "call", name: name.text, args: parseArguments(cursor, depth) }
    return { kind: "constant", name: name.text }
  }
  if (peek(cursor).text !== "(") throw unexpected(peek(cursor), "a number")
  cursor.next++
  const inner = parseOperators(cursor, 1, depth + 1)
  expectSign(cursor, ")")
  return inner
}

function parseArguments(cursor: Cursor, depth: number): readonly Expression[] {
  cursor.next++
  const args: Expression[] = []
  for (;;) {
    args.push(parseOperators(cursor, 1, depth + 1))
    if (peek(cursor).text !== ",") break
    cursor.next++
  }
  expectSign(cursor, ")")
  return args
}

function peek(cursor: Cursor): Token {
  return cursor.tokens[cursor.next]!
}

function take(cursor: Cursor, kind: Token["kind"]): Token | undefined {
  const token = peek(cursor)
  if (token.kind !== kind) return undefined
  cursor.next++
  return token
}

function expectSign(cursor: Cursor, sign: Operator): void {
  const token = peek(cursor)
  if (token.text !== sign) throw unexpected(token, `"${sign}"`)
  cursor.next++
}

function unexpected(token: Token, expected: string): ToolError {
  const found = token.kind === "end" ? "the end" : `"${token.text.slice(0, 20)}" at ${token.at + 1}`
  return new ToolError(`expected ${expected}, found ${found}`)
}
