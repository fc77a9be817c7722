import type { Decimal } from "decimal.js"
import { ToolError } from "../AgentTool.ts"
import { Exact, MOST_EXPONENT } from "./Quantity.ts"

export interface CalculatorFunction {
  readonly numArgs: readonly [least: number, most: number]
  /** The result has the unit of the arguments; undefined refuses units. */
  readonly keepsUnit: boolean
  readonly run: (args: readonly Decimal[]) => Decimal
}

/** Beyond it a sine says nothing: the angle's last known digit is more than a turn. */
const MOST_ANGLE = 1e15
/** Five digits less than there are, so that sin(pi) is 0. */
const ANGLE_PLACES = 35

function ofOne(run: (x: Decimal) => Decimal, keepsUnit = false): CalculatorFunction {
  return { numArgs: [1, 1], keepsUnit, run: ([x]) => run(x!) }
}

function ofMany(run: (args: readonly Decimal[]) => Decimal): CalculatorFunction {
  return { numArgs: [1, Infinity], keepsUnit: true, run }
}

function ofAngle(run: (x: Decimal) => Decimal): CalculatorFunction {
  return ofOne((x) => {
    if (x.abs().greaterThan(MOST_ANGLE)) throw new ToolError(`the angle is larger than ${MOST_ANGLE} radians`)
    return run(x)
  })
}

const sine = (x: Decimal): Decimal => x.sin().toDecimalPlaces(ANGLE_PLACES)
const cosine = (x: Decimal): Decimal => x.cos().toDecimalPlaces(ANGLE_PLACES)
const total = (args: readonly Decimal[]): Decimal => args.reduce((sum, x) => sum.plus(x), new Exact(0))
const average = ofMany((args) => total(args).dividedBy(args.length))

function round(x: Decimal, places: Decimal | undefined): Decimal {
  if (places === undefined) return x.round()
  if (!places.isInteger() || places.isNegative() || places.greaterThan(30)) {
    throw new ToolError("round takes 0 to 30 decimal places")
  }
  return x.toDecimalPlaces(places.toNumber())
}

function exponential(x: Decimal): Decimal {
  if (x.abs().greaterThan(MOST_EXPONENT)) throw new ToolError(`the exponent is larger than ${MOST_EXPONENT}`)
  return x.exp()
}

/** By name; a Map, so that no name finds what objects inherit. */
export const FUNCTIONS: ReadonlyMap<string, CalculatorFunction> = new Map([
  ["sqrt", ofOne((x) => x.sqrt())],
  ["cbrt", ofOne((x) => x.cbrt())],
  ["abs", ofOne((x) => x.abs(), true)],
  ["round", { numArgs: [1, 2], keepsUnit: true, run: ([x, places]) => round(x!, places) }],
  ["floor", ofOne((x) => x.floor(), true)],
  ["ceil", ofOne((x) => x.ceil(), true)],
  ["min", ofMany((args) => Exact.min(...args))],
  ["max", ofMany((args) => Exact.max(...args))],
  ["sum", ofMany(total)],
  ["avg", average],
  ["mean", average],
  ["average", average],
  ["ln", ofOne((x) => x.ln())],
  ["log", { numArgs: [1, 2], keepsUnit: false, run: ([x, base]) => x!.log(base ?? 10) }],
  ["log10", ofOne((x) => x.log(10))],
  ["log2", ofOne((x) => x.log(2))],
  ["exp", ofOne(exponential)],
  ["sin", ofAngle(sine)],
  ["cos", ofAngle(cosine)],
  ["tan", ofAngle((x) => sine(x).dividedBy(cosine(x)))],
])

export const CONSTANTS: ReadonlyMap<string, Decimal> = new Map([
  ["pi", Exact.acos(-1)],
  ["e", Exact.exp(1)],
])
