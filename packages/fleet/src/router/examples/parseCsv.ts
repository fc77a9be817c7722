import { RouterError } from "../RouterError.ts"

/** One row of a file, and the line that it begins on. */
export interface CsvRow {
  readonly line: number
  readonly fields: readonly string[]
}

/** A file of comma-separated values: the names in its first row, and the others. */
export interface CsvTable {
  readonly columns: readonly string[]
  readonly rows: readonly CsvRow[]
}

/**
 * Reads comma-separated values as RFC 4180 has them: fields may be quoted, and hold commas, quotes (doubled) and line ends then.
 *
 * @param source the file's name, for errors
 * @throws RouterError naming the line
 */
export function parseCsv(text: string, source: string): CsvTable {
  const [header, ...rows] = readRows(text.startsWith("\uFEFF") ? text.slice(1) : text, source)
  if (header === undefined) throw new RouterError(`${source}: expected a first row with the columns' names, found none`)
  const columns = header.fields.map((name) => name.trim())
  const twice = columns.find((name, i) => columns.indexOf(name) !== i)
  if (twice !== undefined)
    throw new RouterError(`${source}: line 1: expected different columns, found ${JSON.stringify(twice)} twice`)
  for (const { line, fields } of rows)
    if (fields.length !== columns.length)
      throw new RouterError(
        `${source}: line ${line}: expected ${columns.length} fields (${columns.join(", ")}), found ${fields.length}: text with commas needs quotes`,
      )
  return { columns, rows }
}

/** Returns rows; empty lines are none. */
function readRows(text: string, source: string): CsvRow[] {
  const rows: CsvRow[] = []
  let fields: string[] = []
  let at = 0
  let line = 1
  let rowLine = 1
  const countLines = (part: string): void => void (line += part.split("\n").length - 1)
  while (at < text.length) {
    let field: string
    if (text[at] === '"') {
      const end = closingQuote(text, at)
      if (end < 0)
        throw new RouterError(`${source}: line ${line}: expected the quote that ends a field, found the file's end`)
      field = text.slice(at + 1, end).replaceAll('""', '"')
      countLines(field)
      at = end + 1
      if (at < text.length && !",\r\n".includes(text[at]!))
        throw new RouterError(
          `${source}: line ${line}: expected a comma or a line's end behind a quoted field, found ${JSON.stringify(text[at])}`,
        )
    } else {
      const from = at
      while (at < text.length && text[at] !== "," && text[at] !== "\n") at++
      field = text.slice(from, at).replace(/\r$/, "")
    }
    fields.push(field)
    if (text[at] === ",") {
      at++
      if (at < text.length) continue
      fields.push("")
    }
    if (text[at] === "\r") at++
    if (fields.length > 1 || fields[0] !== "") rows.push({ line: rowLine, fields })
    fields = []
    at++
    rowLine = ++line
  }
  return rows
}

/** Returns where a quoted field ends; -1 where it does not. */
function closingQuote(text: string, open: number): number {
  let at = text.indexOf('"', open + 1)
  while (at >= 0 && text[at + 1] === '"') at = text.indexOf('"', at + 2)
  return at
}
