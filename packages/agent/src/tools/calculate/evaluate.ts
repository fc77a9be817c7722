import type { Decimal } from "decimal.js"
import { ToolError } from "../AgentTool.ts"
import { CONSTANTS, FUNCTIONS } from "./calculatorFunctions.ts"
import type { BinaryOperator, Expression } from "./parseExpression.ts"
import { Exact, MOST_EXPONENT, plain, type Quantity } from "./Quantity.ts"

/**
 * Returns the value of an expression, to 40 digits.
 *
 * A percentage that is added to or taken from a number is a share of that number, as a till does it: 200 + 10% is 220. Two
 * percentages add up as such. A plain number beside money is of its currency.
 *
 * @throws ToolError where there is no finite value, or currencies are mixed
 */
export function evaluate(expression: Expression): Quantity {
  const quantity = compute(expression)
  return { ...quantity, value: checkSize(quantity.value) }
}

function compute(expression: Expression): Quantity {
  switch (expression.kind) {
    case "number":
      return plain(readNumber(expression.text))
    case "constant":
      return plain(constant(expression.name))
    case "money":
      return money(expression.unit, evaluate(expression.amount))
    case "percent":
      return { ...over(evaluate(expression.operand), plain(100)), isPercent: true }
    case "negate": {
      const operand = evaluate(expression.operand)
      return { ...operand, value: operand.value.negated() }
    }
    case "binary":
      return OPERATORS[expression.operator](evaluate(expression.left), evaluate(expression.right))
    case "call":
      return call(expression.name, expression.args.map(evaluate))
  }
}

const OPERATORS: Readonly<Record<BinaryOperator, (left: Quantity, right: Quantity) => Quantity>> = {
  "+": (left, right) => add(left, right),
  "-": (left, right) => add(left, { ...right, value: right.value.negated() }),
  "*": times,
  of: times,
  "/": over,
  mod: remainder,
  "^": power,
}

function money(unit: string, amount: Quantity): Quantity {
  return { value: amount.value, unit: commonUnit([amount, { ...amount, unit }]), isPercent: false }
}

function add(left: Quantity, right: Quantity): Quantity {
  if (right.isPercent && !left.isPercent) {
    return { value: left.value.plus(left.value.times(right.value)), unit: left.unit, isPercent: false }
  }
  const isPercent = left.isPercent && right.isPercent
  return { value: left.value.plus(right.value), unit: commonUnit([left, right]), isPercent }
}

function times(left: Quantity, right: Quantity): Quantity {
  if (left.unit !== undefined && right.unit !== undefined) throw new ToolError("money times money has no meaning")
  return { value: left.value.times(right.value), unit: left.unit ?? right.unit, isPercent: false }
}

function over(left: Quantity, right: Quantity): Quantity {
  if (right.value.isZero()) throw new ToolError("division by zero")
  const value = left.value.dividedBy(right.value)
  const unit = commonUnit([left, right])
  if (right.unit === undefined) return { value, unit, isPercent: false }
  if (left.unit === undefined) throw new ToolError("a number divided by money has no meaning")
  return plain(value)
}

function remainder(left: Quantity, right: Quantity): Quantity {
  if (right.value.isZero()) throw new ToolError("division by zero")
  return { value: left.value.modulo(right.value), unit: commonUnit([left, right]), isPercent: false }
}

function power(base: Quantity, exponent: Quantity): Quantity {
  if (base.unit !== undefined || exponent.unit !== undefined) throw new ToolError("a power of money has no meaning")
  if (exponent.value.abs().greaterThan(MOST_EXPONENT)) {
    throw new ToolError(`the exponent is larger than ${MOST_EXPONENT}`)
  }
  if (base.value.isZero() && exponent.value.isNegative()) throw new ToolError("division by zero")
  return plain(base.value.pow(exponent.value))
}

function call(name: string, args: readonly Quantity[]): Quantity {
  const found = FUNCTIONS.get(name.toLowerCase())
  if (found === undefined) {
    throw new ToolError(`unknown function "${name.slice(0, 20)}": there are ${[...FUNCTIONS.keys()].join(", ")}`)
  }
  const [least, most] = found.numArgs
  if (args.length < least || args.length > most) {
    const wanted = least === most ? `${least}` : `${least} to ${most}`
    throw new ToolError(`${name} takes ${wanted} arguments, found ${args.length}`)
  }
  const unit = commonUnit(args)
  if (unit !== undefined && !found.keepsUnit) throw new ToolError(`${name} of money has no meaning`)
  return { value: found.run(args.map(({ value }) => value)), unit, isPercent: false }
}

/** @throws ToolError where there is more than one */
function commonUnit(quantities: readonly Quantity[]): string | undefined {
  const units = [...new Set(quantities.flatMap(({ unit }) => unit ?? []))]
  if (units.length > 1) throw new ToolError(`mixed currencies: ${units.join(" and ")} need an exchange rate`)
  return units[0]
}

function readNumber(text: string): Decimal {
  const exponent = Number(/e(.*)$/i.exec(text)?.[1] ?? 0)
  if (Math.abs(exponent) > MOST_EXPONENT) throw new ToolError(`the exponent is larger than ${MOST_EXPONENT}`)
  return new Exact(text)
}

function constant(name: string): Decimal {
  const found = CONSTANTS.get(name.toLowerCase())
  if (found !== undefined) return found
  const cure = FUNCTIONS.has(name.toLowerCase())
    ? "a function needs parentheses"
    : "only pi, e and functions have names"
  throw new ToolError(`expected a number, found "${name.slice(0, 20)}": ${cure}`)
}

/** After every operation, so that no later one works on thousands of digits. */
function checkSize(value: Decimal): Decimal {
  if (value.isNaN()) throw new ToolError("the result is not a real number")
  if (!value.isFinite() || value.e > MOST_EXPONENT) throw new ToolError(`the result exceeds 10^${MOST_EXPONENT}`)
  if (!value.isZero() && value.e < -MOST_EXPONENT) throw new ToolError(`the result is below 10^-${MOST_EXPONENT}`)
  return value
}
