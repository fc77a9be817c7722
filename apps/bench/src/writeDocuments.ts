import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { BenchRecord } from "./BenchRecord.ts"
import { costDocument } from "./costDocument.ts"
import { createRecordReader } from "./createRecordReader.ts"
import { machineOf, renderFigures } from "./renderFigures.ts"

/**
 * Returns the documents that show figures, by their path from the root, with all figures written anew.
 *
 * @param machine whose figures to show; those that the README shows already unless given
 */
export function renderDocuments(root: string, machine?: string): Readonly<Record<string, string>> {
  const read = createRecordReader(join(root, "benchmarks/results"))
  const readme = renderFigures(readFileSync(join(root, "README.md"), "utf8"), read, machine)
  const shown = machineOf(readme)!
  const find = (name: string): BenchRecord | undefined => {
    try {
      return read(shown, name)
    } catch {
      return undefined
    }
  }
  return { "README.md": readme, "docs/cost.md": costDocument(find, shown) }
}

/** Writes them. */
export function writeDocuments(root: string, machine?: string): void {
  for (const [path, text] of Object.entries(renderDocuments(root, machine))) writeFileSync(join(root, path), text)
}
