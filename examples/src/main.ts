/** `bun run example <case>`: runs a case, prints its table before and after, and writes its chart. */
import { parseTrace } from "@consilium/benchmarks/load"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { CASES } from "./cases.ts"
import { type ExampleCommand, parseCommand } from "./parseCommand.ts"
import { describeAnswers } from "./report/describeAnswers.ts"
import { describeCase } from "./report/describeCase.ts"
import { drawCase } from "./report/drawCase.ts"
import { measurementsOf } from "./report/measurementsOf.ts"
import { CASES_DIR, FULL, runCase } from "./runCase.ts"

const HELP = `bun run example <case> [--answers] [--trace <file.csv>] [--measurements <file>]

Cases: ${CASES.map(({ name, title }) => `${name} (${title})`).join(", ")}; or all.
Each takes about a minute on two cores, and writes examples/<case>/before-after.svg.

  --answers              also prints every question with both answers, and who gave them
  --trace <file.csv>     bursts arrive as this trace says (TIMESTAMP,ContextTokens,GeneratedTokens), rather than as a synthetic one
  --measurements <file>  writes what was measured as JSON: bun run bench cases records it

Example: bun run example bank --answers`

async function run({ cases, showsAnswers, tracePath, measurementsPath }: ExampleCommand): Promise<void> {
  const trace = tracePath === undefined ? undefined : parseTrace(readFileSync(tracePath, "utf8"), tracePath)
  const results = []
  for (const one of cases) {
    const began = performance.now()
    const result = await runCase(one, { ...FULL, trace }, (line) => console.error(`${one.name}: ${line}`))
    results.push(result)
    writeFileSync(join(CASES_DIR, one.name, "before-after.svg"), drawCase(result))
    if (showsAnswers) console.log(`\n${describeAnswers(result.questions)}`)
    console.log(`\n${describeCase(result)}\n`)
    const seconds = Math.round((performance.now() - began) / 1000)
    console.log(`chart: examples/${one.name}/before-after.svg; ${seconds} s in all`)
  }
  if (measurementsPath !== undefined)
    writeFileSync(measurementsPath, `${JSON.stringify(results.flatMap(measurementsOf), undefined, 1)}\n`)
}

try {
  const command = parseCommand(Bun.argv.slice(2), CASES)
  if (command === undefined) console.log(HELP)
  else await run(command)
  process.exit(0)
} catch (error) {
  console.error((error as Error).message)
  process.exit(1)
}
