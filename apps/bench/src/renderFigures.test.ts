import { BACKENDS, FIGURES, SUITES } from "@consilium/benchmarks"
import { expect, test } from "bun:test"
import { join } from "node:path"
import { readFileSync } from "node:fs"
import type { BenchRecord } from "./BenchRecord.ts"
import { createRecordReader } from "./createRecordReader.ts"
import { parseCommand } from "./parseCommand.ts"
import { renderFigures } from "./renderFigures.ts"

const record = (change: Partial<BenchRecord> = {}): BenchRecord => ({
  suite: "layer",
  question: "?",
  plot: "bars",
  command: "bun run bench layer",
  commit: "abc1234",
  date: "2026-01-02T03:04:05.000Z",
  machine: { cpu: "Some CPU", features: ["avx2"], numCores: 2, memoryGiB: 24, platform: "linux x64" },
  versions: { bun: "1.4.5" },
  options: {},
  measurements: [
    { name: "1 token", contender: "plain loop", unit: "ms", samples: [4] },
    { name: "1 token", contender: "x64 int4", unit: "ms", samples: [1], comparedWith: [{ contender: "plain loop" }] },
    { name: "64 tokens", contender: "plain loop", unit: "ms", samples: [250] },
  ],
  ...change,
})
const read = (machine: string, name: string): BenchRecord => {
  if (machine !== "here-2c") throw new Error(`no record of ${machine}`)
  if (name === "layer") return record()
  const measurements = [{ name: "decode", unit: "tok/s", samples: [name === "a" ? 10 : 20] }] as const
  return record({ command: `bun run bench ${name}`, measurements })
}
const SOURCE = "<!-- figures of here-2c -->\nold\n<!-- /figures -->\n"

test("renderFigures: one record is a table of contenders with ratios", () => {
  const text = `${SOURCE}before\n<!-- figures: layer -->\nold\n<!-- /figures -->\nafter`
  expect(renderFigures(text, read)).toBe(`<!-- figures of here-2c -->

Measured on 2 cores of Some CPU (avx2), 24 GiB, Bun 1.4.5, 2026-01-02, at abc1234.

<!-- /figures -->
before
<!-- figures: layer -->

| \`bun run bench layer\` | 1 token         | 64 tokens |
| --------------------- | --------------- | --------- |
| plain loop            | 4.00 ms         | 250 ms    |
| x64 int4              | 1.00 ms (4.00×) | –         |

<!-- /figures -->
after`)
})

test("renderFigures: several records stand side by side, and names can be chosen", () => {
  const sideBySide = renderFigures(`${SOURCE}<!-- figures: a, b -->\n<!-- /figures -->`, read)
  expect(sideBySide).toContain("| decode | 10.0 tok/s        | 20.0 tok/s        |")
  const chosen = renderFigures(`${SOURCE}<!-- figures: layer | 1 token -->\n<!-- /figures -->`, read)
  expect(chosen).toContain("<!-- figures: layer | 1 token -->")
  expect(chosen).not.toContain("64 tokens")
})

test("renderFigures: what it has written it leaves as it is", () => {
  const once = renderFigures(`${SOURCE}<!-- figures: layer -->\n<!-- /figures -->`, read)
  expect(renderFigures(once, read)).toBe(once)
})

test("renderFigures: a name that no record holds is explained, and so is a text without a machine", () => {
  const wrong = `${SOURCE}<!-- figures: layer | 2 tokens -->\n<!-- /figures -->`
  expect(() => renderFigures(wrong, read)).toThrow('"2 tokens" of layer: expected one of 1 token; 64 tokens')
  expect(() => renderFigures("nothing", read)).toThrow("figures of <machine>")
})

test("renderFigures: another machine can be shown instead", () => {
  const other = (machine: string, name: string): BenchRecord => read(machine === "there-2c" ? "here-2c" : "", name)
  const text = renderFigures(`${SOURCE}<!-- figures: layer -->\n<!-- /figures -->`, other, "there-2c")
  expect(text).toContain("<!-- figures of there-2c -->")
})

const root = join(import.meta.dir, "../../..")
const readme = readFileSync(join(root, "README.md"), "utf8")

test("README: its figures are those of benchmarks/results; `bun run bench readme` writes them", () => {
  expect(renderFigures(readme, createRecordReader(join(root, "benchmarks/results")))).toBe(readme)
})

test("README: `bun run bench figures` records all that it shows", () => {
  const made = FIGURES.map((args) => {
    const command = parseCommand(args, SUITES, root)
    return command.kind === "suite" ? command.recordName : ""
  })
  const shown: string[] = []
  renderFigures(readme, (machine, name) => {
    shown.push(name)
    return createRecordReader(join(root, "benchmarks/results"))(machine, name)
  })
  expect(shown.length).toBeGreaterThan(0)
  const isMade = (name: string): boolean =>
    [name, ...BACKENDS.map((backend) => `${name}-${backend}`)].some((recordName) => made.includes(recordName))
  expect(shown.filter((name) => !isMade(name))).toEqual([])
})
