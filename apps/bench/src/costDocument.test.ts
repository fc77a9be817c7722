import { expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import type { BenchRecord } from "./BenchRecord.ts"
import { costDocument } from "./costDocument.ts"
import { renderDocuments } from "./writeDocuments.ts"

const root = join(import.meta.dir, "../../..")

test("docs/cost.md: its figures are those of benchmarks/results; `bun run bench readme` writes them", () => {
  expect(readFileSync(join(root, "docs/cost.md"), "utf8")).toBe(renderDocuments(root)["docs/cost.md"]!)
})

test("costDocument: what a machine has not measured is said, not left out", () => {
  const text = costDocument(() => undefined, "new-machine")
  expect(text.match(/not measured here/g)!.length).toBeGreaterThan(5)
  expect(text).toContain("Figures of `new-machine`")
})

test("costDocument: a figure of ours is that of the record", () => {
  const measurement = (network: string, ms: number) => ({
    name: "decode, 1 row",
    contender: `x64 int8, ${network}`,
    unit: "ms" as const,
    samples: [ms],
  })
  const record = { measurements: [measurement("experts", 1), measurement("dense of all", 4)] } as unknown as BenchRecord
  const text = costDocument((name) => (name === "sparse" ? record : undefined), "here")
  expect(text).toContain("75.0 % less time for one row")
  expect(text).toContain("| decode, 1 row, x64 int8 | 1.00 ms (1.00–1.00) | 4.00 ms (4.00–4.00) | 4.00× |")
})
