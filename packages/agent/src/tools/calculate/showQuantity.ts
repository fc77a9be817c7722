import type { Decimal } from "decimal.js"
import type { Quantity } from "./Quantity.ts"

/** A value of so many digits was not rounded: those that go on for ever fill all 40. */
const MOST_EXACT_DIGITS = 30
const ROUNDED_DIGITS = 10
/** From 10^40 on, not all digits of a whole number are known. */
const MOST_WHOLE_DIGITS = 40

/**
 * Returns a quantity as people write it, without thousands separators.
 *
 * What is exact is shown whole; other values are rounded to 10 decimals, or 10 digits below 1. Money is rounded to cents from 1 on,
 * to a ten-thousandth of a cent below, and has two decimals unless it is whole.
 */
export function showQuantity({ value, unit }: Quantity): string {
  if (unit === undefined) return showNumber(value)
  const amount = value.abs().toDecimalPlaces(value.abs().lessThan(1) ? 6 : 2)
  const places = amount.isInteger() ? 0 : Math.max(2, amount.decimalPlaces())
  return `${value.isNegative() && !amount.isZero() ? "-" : ""}${unit}${amount.toFixed(places)}`
}

function showNumber(value: Decimal): string {
  const rounded = round(value)
  if (rounded.isZero()) return "0"
  if (rounded.e >= MOST_WHOLE_DIGITS || rounded.e < -ROUNDED_DIGITS) {
    return rounded.toSignificantDigits(MOST_EXACT_DIGITS).toExponential()
  }
  return rounded.toFixed()
}

function round(value: Decimal): Decimal {
  if (value.isInteger() || value.precision() <= MOST_EXACT_DIGITS) return value
  return value.abs().lessThan(1) ? value.toSignificantDigits(ROUNDED_DIGITS) : value.toDecimalPlaces(ROUNDED_DIGITS)
}
