import { Decimal } from "decimal.js"

/** Decimals of 40 digits that round half away from zero; `mod` takes the divisor's sign, as in mathematics. */
export const Exact = Decimal.clone({
  defaults: true,
  precision: 40,
  rounding: Decimal.ROUND_HALF_UP,
  modulo: Decimal.ROUND_FLOOR,
})

/** Largest power of ten of a value, and largest exponent that a value is raised to. */
export const MOST_EXPONENT = 1024

/** A number as people write it. */
export interface Quantity {
  readonly value: Decimal
  /** The currency's sign; undefined for a plain number. */
  readonly unit: string | undefined
  /** Written with a percent sign: added to or taken from a number, it is a share of that number. */
  readonly isPercent: boolean
}

/** Returns a number without unit. */
export function plain(value: Decimal.Value): Quantity {
  return { value: new Exact(value), unit: undefined, isPercent: false }
}
