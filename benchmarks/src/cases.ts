import { readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import type { Measurement, Suite } from "./Suite.ts"

/** Four businesses with embedded data, each run as a user would: `bun run example <case>`. */
export const cases: Suite = {
  name: "cases",
  question:
    "What do routing, tools and documents change for four businesses, against a dense model of the fleet's size, and against the small model alone?",
  takes: [],
  compares: false,
  flags: [],
  plot: "bars",
  showsTail: true,
  async *run({ root, cacheDir, signal, report }) {
    for (const name of ["bank", "sale", "agency", "hospital"]) {
      report(name)
      yield* runExample(root, name, join(cacheDir, `${name}.json`), signal)
    }
  },
}

/** @throws Error with the example's last words if it fails */
async function* runExample(root: string, name: string, path: string, signal: AbortSignal): AsyncIterable<Measurement> {
  const command = [process.execPath, "examples/src/main.ts", name, "--measurements", path]
  const example = Bun.spawn(command, { cwd: root, stdio: ["ignore", "ignore", "pipe"], signal })
  const said = await new Response(example.stderr).text()
  if ((await example.exited) !== 0) throw new Error(`example ${name}: ${said.slice(-2000)}`)
  const measurements = JSON.parse(readFileSync(path, "utf8")) as readonly Measurement[]
  rmSync(path)
  yield* measurements
}
