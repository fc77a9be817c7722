import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { costDocument } from "./costDocument.ts"
import { createRecordReader, findRecord } from "./createRecordReader.ts"
import { machineOf, renderFigures } from "./renderFigures.ts"

/**
 * Returns the documents that show figures, by their path from the root, with all figures written anew.
 *
 * @param machine whose figures to show; those that the README shows already unless given
 */
export function renderDocuments(root: string, machine?: string): Readonly<Record<string, string>> {
  const results = join(root, "benchmarks/results")
  const readme = renderFigures(readFileSync(join(root, "README.md"), "utf8"), createRecordReader(results), machine)
  const shown = machineOf(readme)!
  return { "README.md": readme, "docs/cost.md": costDocument((name) => findRecord(results, shown, name), shown) }
}

/** Writes them. */
export function writeDocuments(root: string, machine?: string): void {
  for (const [path, text] of Object.entries(renderDocuments(root, machine))) writeFileSync(join(root, path), text)
}
