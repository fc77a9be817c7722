import { describe, expect, test } from "bun:test"
import { Effect, Exit, Scope } from "effect"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { startHttpServer } from "../../test/mcp/startHttpServer.ts"
import { startFakeService } from "../../test/startFakeService.ts"
import { parseAgents } from "../config/parseAgents.ts"
import type { KnowledgeBase } from "../knowledge/KnowledgeBase.ts"
import { openSqliteMemory } from "../memory/openSqliteMemory.ts"
import { McpServerError } from "../tools/mcp/McpServerConfig.ts"
import { type AgentParts, type AgentSurroundings, openAgent } from "./openAgent.ts"
import { AgentSettingsError } from "./readKey.ts"

const FIXTURE = join(import.meta.dir, "../../test/mcp/stdioMain.ts")

const documents: KnowledgeBase = { search: async () => [], numPassages: 0 }

/** Opens the agent `desk` of these lines, and returns it with what closes it. */
async function open(
  lines: string,
  surroundings: Partial<AgentSurroundings> = {},
): Promise<AgentParts & { readonly close: () => Promise<void> }> {
  const table = (Bun.TOML.parse(`[agents.desk]\n${lines}`) as { agents: unknown }).agents
  const scope = await Effect.runPromise(Scope.make())
  const close = (): Promise<void> => Effect.runPromise(Scope.close(scope, Exit.void))
  const own = { memory: undefined, knowledge: undefined, documents, environment: {}, nowMs: () => 0 }
  try {
    const opening = openAgent(parseAgents(table, "consilium.toml")[0]!, { ...own, ...surroundings })
    return { ...(await Effect.runPromise(Scope.provide(opening, scope))), close }
  } catch (error) {
    await close()
    throw error
  }
}

async function failure(lines: string, surroundings: Partial<AgentSurroundings> = {}): Promise<Error> {
  try {
    await (await open(lines, surroundings)).close()
  } catch (error) {
    return error as Error
  }
  throw new Error("expected a failure, found an agent")
}

async function call({ tools }: AgentParts, name: string, args: object = {}): Promise<string> {
  const context = { runId: "run", userId: undefined }
  const { text, passages } = await Effect.runPromise(tools.call(name, { ...args }, context, 10_000))
  return [text, ...passages.map((passage) => passage.text)].join("")
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

const box = (lines = ""): string => `
[agents.desk.mcp.box]
command = ${JSON.stringify(process.execPath)}
args = [${JSON.stringify(FIXTURE)}]
${lines}`

/** The fixture's server with these tools too. */
const withTools = (...tools: readonly { readonly name: string; readonly inputSchema: object }[]) => ({
  environment: { FIXTURE_TOOLS: JSON.stringify(tools) },
})
const anything = { type: "object" }

describe("openAgent", () => {
  test("has the tools that its table names, and no others", async () => {
    const { tools, config } = await open(
      'tools = ["calculate"]\nhttp.pay = { description = "Pays.", url = "http://a/" }',
    )
    expect(tools.names).toEqual(["calculate"])
    expect(config.tools).toEqual(["calculate"])
    const usual = await open('http.pay = { description = "Pays.", url = "http://a/" }')
    expect(usual.tools.names).toEqual(["calculate", "get_weather", "search_web", "pay"])
  })

  test("has no right to tools that are not there: nobody remembers without a memory", async () => {
    const lines = 'tools = ["calculate", "remember"]'
    expect((await open(lines)).config.tools).toEqual(["calculate"])
    const memory = openSqliteMemory(":memory:")
    const { tools, config } = await open(lines, { memory })
    expect([tools.names, config.tools]).toEqual([
      ["calculate", "remember"],
      ["calculate", "remember"],
    ])
    memory.close()
  })

  test("searches its own documents, by name too", async () => {
    const text = "Cards are blocked within a minute."
    const search = async () => [{ id: 1, document: "cards.md", headings: ["Cards"], text, score: 1 }]
    const agent = await open('knowledge = ["handbook"]', { knowledge: { search, numPassages: 1 } })
    expect(agent.tools.names).toContain("search_knowledge")
    expect(await call(agent, "search_knowledge", { query: "lost card" })).toContain("blocked within a minute")
    expect(await call(agent, "search_web", { query: "lost card" })).toContain("blocked within a minute")
  })

  test.each([
    ['weather = { provider = "open-meteo", key-env = "SKY" }', "agents.desk.weather", "SKY"],
    ['search = { provider = "brave", key-env = "BRAVE" }', "agents.desk.search", "BRAVE"],
    ['http.pay = { description = "Pays.", url = "http://a/", key-env = "PAY" }', "agents.desk.http.pay", "PAY"],
    ['mcp.crm = { url = "http://127.0.0.1:1/", key-env = "CRM" }', "agents.desk.mcp.crm", "CRM"],
    [box('env = ["BOX"]'), "agents.desk.mcp.box", "BOX"],
  ])("%s: a key that is not there is named with its table", async (lines, path, variable) => {
    const message = `${path}: expected a key in the environment variable ${variable}, found none`
    for (const environment of [{}, { [variable]: "" }])
      expect(await failure(lines, { environment })).toEqual(new AgentSettingsError(message))
  })

  test("an HTTP tool brings its key as a bearer token, or as its header wants it", async () => {
    const service = startFakeService()
    service.say(() => Response.json({ balance: 7 }))
    const at = `description = "Balance.", url = "${service.url}/a", key-env = "PAY"`
    const lines = `allow-hosts = ["127.0.0.1"]\n[agents.desk.http]\none = { ${at} }\ntwo = { ${at}, key-header = "x-key" }`
    const agent = await open(lines, { environment: { PAY: "s3cret" } })
    expect(await call(agent, "one")).toBe('{"balance":7}')
    await call(agent, "two")
    const [one, two] = service.requests.map(({ headers }) => headers)
    expect(one!.get("authorization")).toBe("Bearer s3cret")
    expect([two!.get("x-key"), two!.get("authorization")]).toEqual(["s3cret", null])
    await service.stop()
  })

  test("an HTTP tool reaches no private address unless the table allows it", async () => {
    const service = startFakeService()
    const agent = await open(`http.pay = { description = "Pays.", url = "${service.url}/a" }`)
    expect(await call(agent, "pay")).toContain("not on the public")
    expect(service.requests).toEqual([])
    await service.stop()
  })
})

describe("openAgent, with MCP servers", () => {
  test("may call all tools of a server, or those that the table names", async () => {
    const all = await open(`tools = []\n${box()}`)
    expect(all.config.tools).toEqual(all.tools.names)
    expect(all.tools.names).toHaveLength(9)
    await all.close()
    const some = await open(`tools = ["calculate"]\n${box('tools = ["write", "add"]')}`)
    expect(some.tools.names).toEqual(["calculate", "box_add", "box_write"])
    expect(some.config.tools).toEqual(some.tools.names)
    expect(await call(some, "box_add", { a: 2, b: 3 })).toBe("5")
    await some.close()
  })

  test("the tools that a table names are the server's own names, whatever other names look like them", async () => {
    const twins = withTools({ name: "do.it", inputSchema: anything }, { name: "do_it", inputSchema: anything })
    const agent = await open(`tools = []\n${box('tools = ["do_it"]\nenv = ["FIXTURE_TOOLS"]')}`, twins)
    expect(agent.tools.names).toEqual(["box_do_it"])
    expect(await call(agent, "box_do_it")).toBe("do_it")
    await agent.close()
  })

  test("says which tool is not there", async () => {
    const error = await failure(box('tools = ["add", "subtract"]'))
    expect(error).toBeInstanceOf(McpServerError)
    expect(error.message).toBe(
      "agents.desk.mcp.box: expected the tools add, subtract, found add, write, fail, refuse, never, die, show, huge, whoami",
    )
  })

  test("says whose parameters are no JSON schema, and does without that tool where the table leaves it out", async () => {
    const wrong = withTools({ name: "odd", inputSchema: { type: "object", properties: { a: { type: "text" } } } })
    const error = await failure(box('env = ["FIXTURE_TOOLS"]'), wrong)
    expect(error).toBeInstanceOf(McpServerError)
    expect(error.message).toStartWith("agents.desk.mcp.box: tool odd: expected a JSON schema, found one that is none (")
    expect(error.message).toEndWith(": leave it out with `tools`, a list of those that the agent may call")
    const agent = await open(`tools = []\n${box('tools = ["add"]\nenv = ["FIXTURE_TOOLS"]')}`, wrong)
    expect(agent.tools.names).toEqual(["box_add"])
    await agent.close()
  })

  test("says which server cannot be used, and where tools of two have one name", async () => {
    const missing = await failure('[agents.desk.mcp.box]\ncommand = "/nowhere/server"')
    expect(missing).toBeInstanceOf(McpServerError)
    expect(missing.message).toStartWith("agents.desk.mcp.box: ")
    const taken = await failure(`http.box_add = { description = "Adds.", url = "http://a/" }\n${box()}`)
    expect(taken).toBeInstanceOf(AgentSettingsError)
    expect(taken.message).toBe("agents.desk: tool box_add: expected one of this name, found two: rename one of them")
  })

  test("the scope's end ends programs and sessions, also where a later server fails", async () => {
    const first = await open(box('tools = ["whoami"]\ntrusted = true'))
    const { pid } = JSON.parse(await call(first, "box_whoami")) as { pid: number }
    expect(isAlive(pid)).toBe(true)
    await first.close()
    expect(isAlive(pid)).toBe(false)

    const server = startHttpServer("s3cret")
    const net = `[agents.desk.mcp.net]\nurl = "${server.url}"\nkey-env = "NET"\ntools = ["add", "subtract"]`
    const dir = mkdtempSync(join(tmpdir(), "consilium-mcp-"))
    const note = `require("fs").writeFileSync(${JSON.stringify(join(dir, "pid"))}, String(process.pid))`
    const args = ["-e", `${note}; await import(${JSON.stringify(FIXTURE)})`]
    const noted = `[agents.desk.mcp.box]\ncommand = ${JSON.stringify(process.execPath)}\nargs = ${JSON.stringify(args)}`
    const error = await failure(`${noted}\n${net}`, { environment: { NET: "s3cret" } })
    expect(error.message).toStartWith("agents.desk.mcp.net: expected the tools add, subtract, found ")
    await server.stop()
    expect(isAlive(Number(readFileSync(join(dir, "pid"), "utf8")))).toBe(false)
    rmSync(dir, { recursive: true })
  })
})
