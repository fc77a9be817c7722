/** A table of the settings file that cannot be: says which key, what was expected and what was found. */
export class TableError extends Error {
  readonly _tag = "TableError"
  override readonly name = "TableError"
}

/** Reads the keys of one table, each checked as it is read; keys that nobody read are refused at the end. */
export interface TableReader {
  /** With its file, for errors. */
  readonly path: string
  readonly keys: readonly string[]
  has(key: string): boolean
  text(key: string): string | undefined
  /** The name of an environment variable: what it holds has no place in a file. */
  variable(key: string): string | undefined
  /** @throws TableError where it is missing */
  neededText(key: string): string
  texts(key: string): readonly string[]
  numbers(key: string): readonly number[] | undefined
  number(key: string, least: number, most: number): number | undefined
  whole(key: string, least: number, most: number): number | undefined
  flag(key: string): boolean | undefined
  oneOf<const T extends string>(key: string, names: readonly T[]): T | undefined
  /** Milliseconds of `500ms`, `30s`, `2m`, `1h`. */
  duration(key: string): number | undefined
  /** Bytes of `512MiB`, `2GiB`. */
  bytes(key: string): number | undefined
  table(key: string): TableReader | undefined
  /** A table as it stands, for whoever checks it otherwise. */
  values(key: string): Readonly<Record<string, unknown>> | undefined
  /** A table of texts; none where it is missing. */
  textsByKey(key: string): Readonly<Record<string, string>>
  fail(key: string, expected: string): never
  /** @throws TableError on a key that was not read */
  end(): void
}

const DURATION: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }
const BYTES: Readonly<Record<string, number>> = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, KB: 1e3, MB: 1e6, GB: 1e9 }
const VARIABLE = /^[A-Za-z_]\w*$/
const MOST_TEXT = 20_000
const MOST_LIST = 1000

/** @param path of the table, with its file, for errors: `consilium.toml: fleet` */
export function readTable(value: unknown, path: string): TableReader {
  if (!isTable(value)) throw new TableError(`${path}: expected a table, found ${quote(value)}`)
  const table = value
  const read = new Set<string>()
  const raw = (key: string): unknown => {
    read.add(key)
    return Object.hasOwn(table, key) ? table[key] : undefined
  }
  const fail = (key: string, expected: string): never => {
    throw new TableError(`${path}.${key}: expected ${expected}, found ${quote(raw(key))}`)
  }
  const number = (key: string, least: number, most: number): number | undefined => {
    const found = raw(key)
    if (found === undefined) return undefined
    if (typeof found === "number" && found >= least && found <= most) return found
    return fail(key, `a number from ${least} to ${most}`)
  }
  const text = (key: string): string | undefined => {
    const found = raw(key)
    if (found === undefined || (typeof found === "string" && found.trim() !== "" && found.length <= MOST_TEXT))
      return found
    return fail(key, "some text")
  }
  const list = (key: string, expected: string): readonly unknown[] | undefined => {
    const found = raw(key)
    if (found === undefined || (Array.isArray(found) && found.length <= MOST_LIST)) return found
    return fail(key, expected)
  }
  /** A number with a unit. */
  const measure = (key: string, units: Readonly<Record<string, number>>, expected: string): number | undefined => {
    const found = raw(key)
    if (found === undefined) return undefined
    const [, digits = "", unit = ""] =
      /^(\d+(?:\.\d+)?)\s*([A-Za-z]+)$/.exec(typeof found === "string" ? found : "") ?? []
    const factor = Object.hasOwn(units, unit) ? units[unit] : undefined
    return factor !== undefined && Number(digits) > 0 ? Number(digits) * factor : fail(key, expected)
  }
  return {
    path,
    keys: Object.keys(table),
    has: (key) => raw(key) !== undefined,
    text,
    variable(key) {
      const found = text(key)
      return found === undefined || VARIABLE.test(found) ? found : fail(key, "the name of an environment variable")
    },
    neededText: (key) => text(key) ?? fail(key, "some text"),
    texts(key) {
      const expected = `a list of at most ${MOST_LIST} texts`
      const found = list(key, expected) ?? []
      return found.every((one) => typeof one === "string" && one.trim() !== "")
        ? (found as string[])
        : fail(key, expected)
    },
    numbers(key) {
      const found = list(key, "a list of numbers")
      if (found === undefined || found.every((one) => typeof one === "number" && Number.isFinite(one)))
        return found as readonly number[] | undefined
      return fail(key, "a list of numbers")
    },
    number,
    whole(key, least, most) {
      const found = number(key, least, most)
      return found === undefined || Number.isInteger(found)
        ? found
        : fail(key, `a whole number from ${least} to ${most}`)
    },
    flag(key) {
      const found = raw(key)
      return found === undefined || typeof found === "boolean" ? found : fail(key, "true or false")
    },
    oneOf(key, names) {
      const found = raw(key)
      if (found === undefined) return undefined
      return names.find((name) => name === found) ?? fail(key, `one of ${names.join(", ")}`)
    },
    duration: (key) => measure(key, DURATION, 'a time such as "30s" or "2m"'),
    bytes: (key) => measure(key, BYTES, 'bytes such as "512MiB"'),
    values(key) {
      const found = raw(key)
      return found === undefined || isTable(found) ? found : fail(key, "a table")
    },
    textsByKey(key) {
      const found = raw(key) ?? {}
      return isTable(found) && Object.values(found).every((one) => typeof one === "string")
        ? (found as Readonly<Record<string, string>>)
        : fail(key, "a table of texts")
    },
    table: (key) => (raw(key) === undefined ? undefined : readTable(raw(key), `${path}.${key}`)),
    fail,
    end() {
      const unknown = Object.keys(table).find((key) => !read.has(key))
      if (unknown === undefined) return
      throw new TableError(`${path}.${unknown}: there is no such key: expected one of ${[...read].sort().join(", ")}`)
    },
  }
}

function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date)
}

/** What was found, short enough for an error. */
function quote(found: unknown): string {
  if (found === undefined) return "nothing"
  if (Array.isArray(found)) return `a list of ${found.length}`
  if (typeof found === "object") return "a table"
  if (typeof found !== "string") return String(found)
  return JSON.stringify(found.length > 80 ? `${found.slice(0, 80)}…` : found)
}
