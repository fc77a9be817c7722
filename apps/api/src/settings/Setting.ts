/** How the text of a setting is read, by the kind of its value. */
import { totalmem } from "node:os"

/** One setting: how its text is read, and what a person needs to know of it. */
export interface Setting<T> {
  readonly description: string
  /** What a value looks like: `<bytes>`. */
  readonly placeholder: string
  /** What holds where nobody says anything, as a person would write it; empty for "not set". */
  readonly defaultText: string
  /** Returns the value, or what was expected instead. */
  readonly parse: (text: string) => { readonly value: T } | { readonly expected: string }
  /** Never shown. */
  readonly isSecret?: boolean
  /** A flag without a value. */
  readonly isSwitch?: boolean
}

const ok = <T>(value: T): { readonly value: T } => ({ value })

export const text = (placeholder: string) => ({
  placeholder,
  parse: (value: string) => (value === "" ? { expected: "some text" } : ok(value)),
})

export const oneOf = <const T extends string>(...names: readonly T[]) => ({
  placeholder: `<${names.join("|")}>`,
  parse: (value: string) => {
    const found = names.find((name) => name === value)
    return found === undefined ? { expected: `one of ${names.join(", ")}` } : ok(found)
  },
})

export const whole = (least: number, most: number) => ({
  placeholder: "<n>",
  parse: (value: string) => {
    const number = Number(value)
    const isValid = value.trim() !== "" && Number.isInteger(number) && number >= least && number <= most
    return isValid ? ok(number) : { expected: `a whole number from ${least} to ${most}` }
  },
})

export const number = (least: number, most: number) => ({
  placeholder: "<x>",
  parse: (value: string) => {
    const found = Number(value)
    const isValid = value.trim() !== "" && found >= least && found <= most
    return isValid ? ok(found) : { expected: `a number from ${least} to ${most}` }
  },
})

export const onOff = {
  placeholder: "",
  isSwitch: true,
  defaultText: "false",
  parse: (value: string) => {
    if (value !== "true" && value !== "false") return { expected: "true or false" }
    return ok(value === "true")
  },
}

const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

/** Milliseconds: `30s`, `5m`, `2h`. */
export function parseDuration(value: string): { readonly value: number } | { readonly expected: string } {
  const [, digits = "", unit = ""] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(value.trim()) ?? []
  const factor = DURATION_UNITS[unit]
  if (factor === undefined || Number(digits) <= 0) return { expected: "a time such as 30s, 5m or 2h" }
  return ok(Number(digits) * factor)
}

/** A value as another package reads it. */
export const readBy = <T>(placeholder: string, read: (text: string) => T | undefined, expected: string) => ({
  placeholder,
  parse: (value: string) => {
    const found = read(value)
    return found === undefined ? { expected } : ok(found)
  },
})

/** A setting that may be left out. */
export const optional = <T>(setting: {
  placeholder: string
  parse: (value: string) => { readonly value: T } | { readonly expected: string }
}) => ({
  placeholder: setting.placeholder,
  defaultText: "",
  parse: (value: string): { readonly value: T | undefined } | { readonly expected: string } =>
    value === "" ? ok(undefined) : setting.parse(value),
})

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
}

/** Bytes with a unit: `2GiB`. */
export function parseBytes(value: string): { readonly value: number } | { readonly expected: string } {
  const parsed = parseMemory(value)
  return /^[\d.]+$/.test(value.trim()) && Number(value) <= 1 ? { expected: "bytes such as 2GiB" } : parsed
}

/** Bytes with a unit, or a share of the machine's memory: `2GiB`, `0.5`. */
export function parseMemory(value: string): { readonly value: number } | { readonly expected: string } {
  const expected = "bytes such as 2GiB, or a share of the machine such as 0.5"
  const [, digits = "", unit = ""] = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(value.trim()) ?? []
  const factor = UNITS[unit]
  if (digits === "" || factor === undefined) return { expected }
  const number = Number(digits)
  if (unit === "" && number <= 1) return number > 0 ? ok(Math.floor(number * totalmem())) : { expected }
  return number * factor >= 2 ** 20 ? ok(Math.floor(number * factor)) : { expected: "at least 1MiB" }
}
