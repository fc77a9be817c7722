import { listCache, pruneCache } from "@consilium/model"
import { type Command, UsageError } from "./Command.ts"
import { parseCommandLine } from "./parseCommandLine.ts"
import { readableBytes } from "./progressBar.ts"

const DAY_MS = 24 * 60 * 60 * 1000

export const cacheCommand: Command = {
  name: "cache",
  summary: "lists prepared models, or removes those that are not needed",
  usage: "list | prune [--older-than DAYS] [--all yes]",
  options:
    "  prune removes what another version made, what is damaged and what killed prepares left.\n" +
    "  --older-than DAYS  also what was not used for so long\n" +
    "  --all yes          everything",
  example: "consilium cache prune --older-than 30",
  async run(args) {
    const { positionals, settings, own } = parseCommandLine(args, ["older-than", "all"])
    const cacheDir = settings["cache-dir"]
    const [action] = positionals
    if (positionals.length !== 1 || (action !== "list" && action !== "prune"))
      throw new UsageError(`expected list or prune, found ${positionals.join(" ") || "nothing"}`)
    if (action === "prune") return prune(cacheDir, own["older-than"]?.at(-1), own.all?.at(-1))

    const entries = listCache(cacheDir)
    for (const { model, format, bytes, lastUsed, isStale } of entries) {
      console.log(
        `${model}  ${format}  ${readableBytes(bytes)}  last used ${lastUsed.toISOString().slice(0, 16).replace("T", " ")}${isStale ? "  (stale: prune removes it)" : ""}`,
      )
    }
    console.log(
      `${entries.length} prepared, ${readableBytes(entries.reduce((sum, { bytes }) => sum + bytes, 0))} in ${cacheDir}`,
    )
    return 0
  },
}

function prune(cacheDir: string, olderThan: string | undefined, all: string | undefined): number {
  const days = olderThan === undefined ? Number.POSITIVE_INFINITY : Number(olderThan)
  if (!(days >= 0)) throw new UsageError(`--older-than: expected a number of days, found ${olderThan}`)
  if (all !== undefined && all !== "yes") throw new UsageError(`--all: expected yes, found ${all}`)
  const removed = pruneCache(
    cacheDir,
    ({ lastUsed }) => all === "yes" || Date.now() - lastUsed.getTime() > days * DAY_MS,
  )
  for (const { model, format } of removed) console.log(`removed ${model} ${format}`)
  console.log(`removed ${removed.length}, ${readableBytes(removed.reduce((sum, { bytes }) => sum + bytes, 0))}`)
  return 0
}
