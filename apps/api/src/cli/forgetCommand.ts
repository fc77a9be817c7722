import { keyIdOf } from "@consilium/cost"
import { existsSync } from "node:fs"
import { scopedUser } from "../agents/scopedUser.ts"
import type { Settings } from "../settings/Settings.ts"
import { type Command, UsageError } from "./Command.ts"
import { parseCommandLine } from "./parseCommandLine.ts"

export const forgetCommand: Command = {
  name: "forget",
  summary: "removes all that agents remember of a user",
  usage: "--user NAME [--agent-memory FILE] [--api-key KEY] [--url URL]",
  options:
    "  --user NAME     as clients call them: user of a request, --user of consilium chat\n" +
    "  --api-key KEY   whose user it is: each key has its own\n" +
    "  --url URL       asks a running service (http://127.0.0.1:8080) instead of opening the file",
  example: "consilium forget --user anna",
  async run(args) {
    const { settings, own, positionals } = parseCommandLine(args, ["user", "url"])
    if (positionals.length > 0) throw new UsageError(`expected no word without --, found ${positionals.join(" ")}`)
    const user = own.user?.at(-1) ?? ""
    if (user === "") throw new UsageError("expected --user, found none: whom to forget")
    const url = own.url?.at(-1)
    const numForgotten = await (url === undefined ? forgetHere(user, settings) : forgetThere(user, url, settings))
    console.log(
      numForgotten === 0
        ? `Nothing is remembered of ${JSON.stringify(user)} for this API key.`
        : `Forgot ${numForgotten} turns and facts of ${JSON.stringify(user)}.`,
    )
    return 0
  },
}

/** Removes a user from the file. @throws UsageError, StoreError (rejects) */
async function forgetHere(user: string, { "agent-memory": path, "api-key": apiKey = "" }: Settings): Promise<number> {
  if (path === "off" || !existsSync(path))
    throw new UsageError(`--agent-memory ${path}: expected what agents remember, found no file`)
  const { openSqliteMemory } = await import("@consilium/agent")
  const memory = openSqliteMemory(path)
  try {
    return await memory.forget(scopedUser(keyIdOf(apiKey), user))
  } finally {
    memory.close()
  }
}

/** Has a service remove a user. @throws UsageError (rejects) with the service's words */
async function forgetThere(user: string, url: string, { "api-key": apiKey }: Settings): Promise<number> {
  const address = `${url.replace(/\/$/, "")}/v1/agents/users/${encodeURIComponent(user)}`
  const headers = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }
  const response = await fetch(address, { method: "DELETE", headers }).catch((error: Error) => {
    throw new UsageError(`${url}: no service answers there (${error.message})`)
  })
  const text = await response.text()
  if (!response.ok) throw new UsageError(`${address} answered ${response.status}: ${text}`)
  return (JSON.parse(text) as { readonly forgotten: number }).forgotten
}
