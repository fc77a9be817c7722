/** What docs/fleet.md shows to users is what the parser takes. */
import { expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { parseFleet } from "../src/index.ts"

test("docs/fleet.md: its settings are a fleet of every kind of expert", () => {
  const text = readFileSync(join(import.meta.dir, "../../../docs/fleet.md"), "utf8")
  const blocks = [...text.matchAll(/^```toml\n([\s\S]*?)^```$/gm)].map(([, toml]) => toml!)
  const table = Bun.TOML.parse(blocks.join("\n")) as { readonly fleet: unknown }
  const { experts, deadlineMs } = parseFleet(table.fleet, "docs/fleet.md")
  expect(experts.map(({ name, kind }) => `${name} ${kind}`)).toEqual([
    "desk local",
    "risk remote",
    "copy remote",
    "law onnx-text",
    "eye onnx",
  ])
  expect(deadlineMs).toBe(120_000)
})
