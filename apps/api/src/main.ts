/** The command line, and with `serve` the service. */
import { runCli } from "./cli/runCli.ts"

process.exit(await runCli(Bun.argv.slice(2)))
