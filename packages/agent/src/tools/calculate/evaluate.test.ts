import { expect, test } from "bun:test"
import { Decimal } from "decimal.js"
import fc from "fast-check"
import { ToolError } from "../AgentTool.ts"
import { evaluate } from "./evaluate.ts"
import { parseExpression } from "./parseExpression.ts"

/** A fraction of whole numbers: the reference knows no rounding. */
interface Ratio {
  readonly top: bigint
  /** Above zero. */
  readonly bottom: bigint
}

/** An expression as it is written, its value, and how strongly its outermost operator holds: 4 for what needs no parentheses. */
interface Sample {
  readonly text: string
  readonly strength: number
  /** Undefined where something was divided by zero. */
  readonly value: Ratio | undefined
  readonly largest: bigint
}

const size = (x: bigint): bigint => (x < 0n ? -x : x)

function ratio(top: bigint, bottom: bigint): Ratio | undefined {
  if (bottom === 0n) return undefined
  return bottom < 0n ? { top: -top, bottom: -bottom } : { top, bottom }
}

function inParentheses(sample: Sample, least: number): string {
  return sample.strength < least ? `(${sample.text})` : sample.text
}

function combine(
  left: Sample,
  right: Sample,
  strength: number,
  write: (left: string, right: string) => string,
  run: (left: Ratio, right: Ratio) => Ratio | undefined,
): Sample {
  const value = left.value && right.value && run(left.value, right.value)
  const largest = [left.largest, right.largest, value === undefined ? 0n : size(value.top) / value.bottom + 1n]
  return {
    text: write(inParentheses(left, strength), inParentheses(right, strength + 1)),
    strength,
    value,
    largest: largest.reduce((a, b) => (a > b ? a : b)),
  }
}

const plus = (a: Ratio, b: Ratio) => ratio(a.top * b.bottom + b.top * a.bottom, a.bottom * b.bottom)
const minus = (a: Ratio, b: Ratio) => plus(a, { top: -b.top, bottom: b.bottom })
const times = (a: Ratio, b: Ratio) => ratio(a.top * b.top, a.bottom * b.bottom)
const over = (a: Ratio, b: Ratio) => ratio(a.top * b.bottom, a.bottom * b.top)
const hundredth = (a: Ratio): Ratio => ({ top: a.top, bottom: a.bottom * 100n })

function remainder(a: Ratio, b: Ratio): Ratio | undefined {
  const share = over(a, b)
  if (share === undefined) return undefined
  const rest = ((share.top % share.bottom) + share.bottom) % share.bottom
  return times(b, { top: rest, bottom: share.bottom })
}

const number: fc.Arbitrary<Sample> = fc
  .tuple(fc.integer({ min: 0, max: 99_999 }), fc.integer({ min: 0, max: 3 }))
  .map(([digits, places]) => {
    const padded = String(digits).padStart(places + 1, "0")
    const text = places === 0 ? padded : `${padded.slice(0, -places)}.${padded.slice(-places)}`
    const value = { top: BigInt(digits), bottom: 10n ** BigInt(places) }
    return { text, strength: 4, value, largest: BigInt(digits) + 1n }
  })

const { tree } = fc.letrec<{ tree: Sample; exact: Sample }>((tie) => {
  const pair = (right: fc.Arbitrary<Sample>) => fc.tuple(tie("tree"), right)
  const either = (...signs: string[]) => fc.constantFrom(...signs, ...signs.map((sign) => ` ${sign} `))
  const sum = (left: fc.Arbitrary<Sample>, right: fc.Arbitrary<Sample>) =>
    fc.tuple(left, right, either("+")).map(([a, b, sign]) => combine(a, b, 1, (x, y) => x + sign + y, plus))
  const difference = (left: fc.Arbitrary<Sample>, right: fc.Arbitrary<Sample>) =>
    fc.tuple(left, right, either("-", "−")).map(([a, b, sign]) => combine(a, b, 1, (x, y) => x + sign + y, minus))
  return {
    // What is divided by, or taken to a power, is exact: one digit more or less would decide whether it is zero.
    exact: fc.oneof({ maxDepth: 2 }, number, sum(number, number), difference(number, number)),
    tree: fc.oneof(
      { maxDepth: 5, depthSize: "medium" },
      number,
      sum(tie("tree"), tie("tree")),
      difference(tie("tree"), tie("tree")),
      fc
        .tuple(pair(tie("tree")), either("*", "×"))
        .map(([[a, b], sign]) => combine(a, b, 2, (x, y) => x + sign + y, times)),
      fc
        .tuple(pair(tie("exact")), either("/", "÷"))
        .map(([[a, b], sign]) => combine(a, b, 2, (x, y) => x + sign + y, over)),
      fc.tuple(number, number).map(([a, b]) => combine(a, b, 2, (x, y) => `${x} % ${y}`, remainder)),
      pair(number).map(([a, b]) =>
        combine(
          b,
          a,
          2,
          (x, y) => `${x}% of ${y}`,
          (p, x) => times(hundredth(p), x),
        ),
      ),
      pair(number).map(([a, b]) =>
        combine(
          a,
          b,
          1,
          (x, y) => `${x} + ${y}%`,
          (x, p) => plus(x, times(x, hundredth(p))!),
        ),
      ),
      fc.tuple(tie("exact"), fc.integer({ min: 0, max: 4 })).map(([a, n]): Sample => {
        const value = a.value && { top: a.value.top ** BigInt(n), bottom: a.value.bottom ** BigInt(n) }
        const largest = value === undefined ? a.largest : size(value.top) / value.bottom + a.largest
        return { text: `${inParentheses(a, 4)}^${n}`, strength: 3, value, largest }
      }),
      tie("tree").map((a): Sample => {
        const value = a.value && { top: -a.value.top, bottom: a.value.bottom }
        return { text: `-${inParentheses(a, 3)}`, strength: 2, value, largest: a.largest }
      }),
    ),
  }
})

const Precise = Decimal.clone({ defaults: true, precision: 300 })

test("evaluate: 1,000 random expressions agree with fractions of whole numbers to 30 digits", () => {
  const samples = fc.sample(
    tree.filter(({ text }) => text.length <= 256),
    { numRuns: 1000, seed: 20_260 },
  )
  let numRefused = 0
  for (const { text, value, largest } of samples) {
    if (value === undefined) {
      numRefused++
      expect(() => evaluate(parseExpression(text)), text).toThrow(new ToolError("division by zero"))
      continue
    }
    const expected = new Precise(value.top.toString()).dividedBy(value.bottom.toString())
    const apart = new Precise(evaluate(parseExpression(text)).value).minus(expected).abs()
    const allowed = new Precise(largest.toString()).times("1e-30")
    if (apart.greaterThan(allowed)) throw new Error(`${text}: expected ${expected}, ${apart} apart`)
  }
  expect(samples.length - numRefused).toBeGreaterThan(950)
  expect(numRefused).toBeGreaterThan(0)
})
