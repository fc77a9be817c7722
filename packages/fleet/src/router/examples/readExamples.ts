import { readFileSync } from "node:fs"
import { RouterError } from "../RouterError.ts"
import type { RoutedRequest } from "../RequestRouter.ts"
import { type CsvRow, parseCsv } from "./parseCsv.ts"
import type { RouterExample } from "./RouterExample.ts"

/** Examples, and the experts that their targets stand for. */
export interface ExampleSet {
  readonly experts: readonly string[]
  readonly examples: readonly RouterExample[]
}

/** Which columns say who was right: one with the right expert's name, or one each for a cheap and a strong expert with true or false. */
export type TargetColumns = { readonly label: string } | { readonly cheap: string; readonly strong: string }

const YES = ["true", "1", "yes"]
const NO = ["false", "0", "no"]

/**
 * Reads examples of one or more CSV files with the same columns. Columns `tools` (true, false) and `images` (a number) are read where there are any.
 *
 * @param textColumn the column with the request's text
 * @throws RouterError naming file and line
 */
export function readExamples(paths: readonly string[], textColumn: string, targets: TargetColumns): ExampleSet {
  const read = paths.flatMap((path) => readFile(path, textColumn, targets))
  const experts =
    "label" in targets
      ? [...new Set(read.map(({ label }) => label))].filter((label) => label !== undefined).sort()
      : [targets.cheap, targets.strong]
  if (experts.length < 2)
    throw new RouterError(`${paths.join(", ")}: expected examples of two experts or more, found ${experts.length}`)
  const places = new Map(experts.map((name, e) => [name, e]))
  const oneOf = (label: string): Float32Array => {
    const row = new Float32Array(experts.length)
    row[places.get(label)!] = 1
    return row
  }
  return {
    experts,
    examples: read.map(({ request, label, right }) => ({ request, targets: right ?? oneOf(label!) })),
  }
}

interface ReadRow {
  readonly request: RoutedRequest
  readonly label: string | undefined
  readonly right: Float32Array | undefined
}

function readFile(path: string, textColumn: string, targets: TargetColumns): ReadRow[] {
  const { columns, rows } = parseCsv(readText(path), path)
  const placeOf = (name: string): number => {
    const place = columns.indexOf(name)
    if (place < 0) throw new RouterError(`${path}: expected a column ${name}, found ${columns.join(", ")}`)
    return place
  }
  const textPlace = placeOf(textColumn)
  const labelPlace = "label" in targets ? placeOf(targets.label) : undefined
  const rightPlaces = "label" in targets ? undefined : [placeOf(targets.cheap), placeOf(targets.strong)]
  const toolsPlace = columns.indexOf("tools")
  const imagesPlace = columns.indexOf("images")
  return rows.map((row) => {
    const text = row.fields[textPlace]!
    if (text.trim() === "")
      throw new RouterError(`${path}: line ${row.line}: ${textColumn}: expected a text, found none`)
    const label = labelPlace === undefined ? undefined : row.fields[labelPlace]!.trim()
    if (label === "")
      throw new RouterError(`${path}: line ${row.line}: ${columns[labelPlace!]}: expected an expert's name, found none`)
    const truth = (place: number): boolean => readTruth(path, row, columns[place]!, row.fields[place]!)
    const hasTools = toolsPlace >= 0 && truth(toolsPlace)
    const numImages = imagesPlace < 0 ? 0 : Number(row.fields[imagesPlace])
    if (!Number.isSafeInteger(numImages) || numImages < 0)
      throw new RouterError(
        `${path}: line ${row.line}: images: expected a whole number, found ${row.fields[imagesPlace]}`,
      )
    return {
      request: { text, hasTools, numImages },
      label,
      right: rightPlaces && Float32Array.from(rightPlaces, (place) => Number(truth(place))),
    }
  })
}

function readTruth(path: string, { line }: CsvRow, column: string, field: string): boolean {
  const word = field.trim().toLowerCase()
  if (YES.includes(word)) return true
  if (NO.includes(word)) return false
  throw new RouterError(`${path}: line ${line}: ${column}: expected true or false, found ${JSON.stringify(field)}`)
}

function readText(path: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(path))
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    throw new RouterError(
      code === undefined || code === "ERR_ENCODING_INVALID_ENCODED_DATA"
        ? `${path}: expected text in UTF-8, found other bytes`
        : `${path}: expected a readable file of examples, found ${code}`,
    )
  }
}
