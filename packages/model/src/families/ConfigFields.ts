import { CheckpointError } from "../checkpoint/CheckpointError.ts"

/** Reads the fields of one config.json, each checked as it is read. */
export interface ConfigFields {
  has(field: string): boolean
  /** A positive whole number; `fallback` where it is absent or null. */
  size(field: string, fallback?: number): number
  /** A size of a row of some matrix: at most what the kernels multiply. */
  width(field: string, fallback?: number): number
  number(field: string, fallback?: number): number
  /** A number above zero. */
  positive(field: string, fallback?: number): number
  flag(field: string, fallback: boolean): boolean
  text(field: string, fallback?: string): string
  sizes(field: string): readonly number[]
  /** Whole numbers: an array of them, or one. */
  sizesOrSize(field: string): readonly number[]
  texts(field: string): readonly string[]
  object(field: string): ConfigFields | undefined
  /** @throws CheckpointError about this field */
  fail(field: string, expected: string, cure?: string): never
}

/** Larger than any model's; a size past it is a damaged or hostile file. */
const MAX_SIZE = 2 ** 24
/** Columns of int8 products that always fit an int32 sum. */
export const MAX_WIDTH = 2 ** 17

/** @param prefix path of the enclosing object, for messages */
export function configFields(file: string, raw: Readonly<Record<string, unknown>>, prefix = ""): ConfigFields {
  const found = (field: string): unknown => raw[field] ?? undefined
  const fail = (field: string, expected: string, cure?: string): never => {
    const value = raw[field]
    throw new CheckpointError({
      file,
      subject: `${prefix}${field}`,
      expected,
      found: value === undefined ? "nothing" : JSON.stringify(value),
      ...(cure === undefined ? {} : { cure }),
    })
  }
  const sizeUpTo = (most: number, field: string, fallback: number | undefined): number => {
    const value = found(field) ?? fallback
    if (typeof value === "number" && Number.isInteger(value) && value > 0 && value <= most) return value
    return fail(field, `a whole number from 1 to ${most}`)
  }
  return {
    has: (field) => found(field) !== undefined,
    size: (field, fallback) => sizeUpTo(MAX_SIZE, field, fallback),
    width: (field, fallback) => sizeUpTo(MAX_WIDTH, field, fallback),
    number(field, fallback) {
      const value = found(field) ?? fallback
      return typeof value === "number" && Number.isFinite(value) ? value : fail(field, "a number")
    },
    positive(field, fallback) {
      const value = this.number(field, fallback)
      return value > 0 ? value : fail(field, "a number above 0")
    },
    flag(field, fallback) {
      const value = found(field) ?? fallback
      return typeof value === "boolean" ? value : fail(field, "true or false")
    },
    text(field, fallback) {
      const value = found(field) ?? fallback
      return typeof value === "string" ? value : fail(field, "a string")
    },
    sizes(field) {
      const value = found(field) ?? []
      const isSizes = Array.isArray(value) && value.every((item) => Number.isInteger(item) && item >= 0)
      return isSizes ? (value as number[]) : fail(field, "an array of whole numbers")
    },
    sizesOrSize(field) {
      const value = found(field)
      if (typeof value !== "number") return this.sizes(field)
      return Number.isInteger(value) && value >= 0 ? [value] : fail(field, "a whole number, or an array of them")
    },
    texts(field) {
      const value = found(field) ?? []
      return Array.isArray(value) && value.every((item) => typeof item === "string")
        ? value
        : fail(field, "an array of strings")
    },
    object(field) {
      const value = found(field)
      if (value === undefined) return undefined
      if (typeof value !== "object" || Array.isArray(value)) return fail(field, "an object")
      return configFields(file, value as Record<string, unknown>, `${prefix}${field}.`)
    },
    fail,
  }
}
