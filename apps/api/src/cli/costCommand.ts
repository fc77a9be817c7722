import { DIMENSIONS, openSqliteStore, parseTokenPrice, type TokenPrice } from "@consilium/cost"
import { existsSync } from "node:fs"
import { type Command, UsageError } from "./Command.ts"
import { findSparseRecord, readSparseRates } from "./cost/readSparseRates.ts"
import { renderCosts } from "./cost/renderCosts.ts"
import { reportCosts } from "./cost/reportCosts.ts"
import { shapeOfServed } from "./openCosts.ts"
import { findModel } from "./openModel.ts"
import { parseCommandLine } from "./parseCommandLine.ts"

const DAY_MS = 24 * 60 * 60 * 1000

export const costCommand: Command = {
  name: "cost",
  summary: "says what was spent, by whom and on what, and what that saved",
  usage: "--ledger <file.sqlite> [--by DIMENSION] [--days N] [--strongest IN,OUT] [--rates FILE] [--json]",
  options:
    `  --by DIMENSION      one of ${DIMENSIONS.join(", ")}; all of them unless given\n` +
    "  --days N            of so many days until now\n" +
    "  --strongest IN,OUT  what the strongest model costs, in USD per million tokens; the dearest in the ledger unless given\n" +
    "  --rates FILE        a record of `bun run bench sparse`; the newest of a machine like this one unless given\n" +
    "  --json              as JSON\n" +
    "  --model and --format say which model is compared with a dense one of its size, if it is on this machine.",
  example: "consilium cost --ledger costs.sqlite --by agent --days 7",
  async run(args) {
    const { settings, own, ownSwitches } = parseCommandLine(args, ["by", "days", "strongest", "rates"], ["json"])
    const path = settings.ledger
    if (path === undefined)
      throw new UsageError("expected --ledger, found none: the file that `consilium serve --ledger` writes")
    if (!existsSync(path)) throw new UsageError(`${path}: expected a ledger, found no file`)
    const model = findModel(settings.model, settings["cache-dir"])
    const rates = own.rates?.at(-1) ?? findSparseRecord()
    const options = {
      filter: { fromMs: parseDays(own.days?.at(-1)) },
      by: parseDimension(own.by?.at(-1)),
      strongest: parseStrongest(own.strongest?.at(-1)),
      modelId: model?.modelId ?? settings.model,
      shape: model && shapeOfServed(model.dir, settings),
      found: rates === undefined ? undefined : readSparseRates(rates, settings.format),
    }
    const ledger = openStore(path)
    try {
      const report = reportCosts(ledger, options)
      console.log(ownSwitches.has("json") ? JSON.stringify(report, null, 2) : renderCosts(report).join("\n"))
    } finally {
      ledger.close()
    }
    return 0
  },
}

function openStore(path: string) {
  try {
    return openSqliteStore(path, Number.MAX_SAFE_INTEGER)
  } catch (error) {
    throw new UsageError(`${path}: expected a ledger: ${(error as Error).message}`)
  }
}

function parseDays(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const days = Number(text)
  if (text !== "" && days > 0) return Date.now() - days * DAY_MS
  throw new UsageError(`--days: expected a number of days, found ${text}`)
}

function parseDimension(text: string | undefined) {
  const dimension = DIMENSIONS.find((other) => other === text)
  if (text === undefined || dimension !== undefined) return dimension
  throw new UsageError(`--by: expected one of ${DIMENSIONS.join(", ")}, found ${text}`)
}

function parseStrongest(text: string | undefined): TokenPrice | undefined {
  const price = text === undefined ? undefined : parseTokenPrice(text)
  if (text === undefined || price !== undefined) return price
  throw new UsageError(`--strongest: expected USD per million tokens such as 3,15, found ${text}`)
}
