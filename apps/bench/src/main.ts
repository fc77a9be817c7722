/** `bun run bench <suite>`: runs one suite, shows its progress, and records what it measured. Ctrl-C keeps what is finished. */
import { SUITES } from "@consilium/benchmarks"
import { join } from "node:path"
import { type Command, parseCommand } from "./parseCommand.ts"
import { runFigures } from "./runFigures.ts"
import { runSuite } from "./runSuite.ts"
import { writeDocuments } from "./writeDocuments.ts"

const root = join(import.meta.dir, "../../..")

function parse(args: readonly string[]): Command {
  try {
    return parseCommand(args, SUITES, root)
  } catch (error) {
    console.error(`${(error as Error).message}\n\nSee bun run bench --help`)
    process.exit(1)
  }
}

const command = parse(Bun.argv.slice(2))
switch (command.kind) {
  case "help":
    console.log(command.text)
    break
  case "readme":
    writeDocuments(root, command.machine)
    console.log("README.md, docs/cost.md: figures written from benchmarks/results")
    break
  case "figures":
    process.exitCode = await runFigures(root)
    break
  case "suite":
    process.exit(await runSuite(command, Bun.argv.slice(2)))
}
