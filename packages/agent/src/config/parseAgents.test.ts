import { describe, expect, test } from "bun:test"
import type { AgentSettings } from "./AgentSettings.ts"
import { ASSISTANT, parseAgents } from "./parseAgents.ts"

function agentsOf(toml: string): readonly AgentSettings[] {
  return parseAgents((Bun.TOML.parse(toml) as { agents: unknown }).agents, "consilium.toml")
}

/** An agent of these lines, after what one of its tables has. */
const desk = (lines: string): AgentSettings => agentsOf(`[agents.desk]\n${lines}`)[0]!

const PAY = 'description = "Pays."\nurl = "https://pay.example.com/v1/{account}"'

describe("parseAgents", () => {
  test("fills in the usual: no network, no right to remember, limits", () => {
    const { config, ...rest } = desk("")
    expect(config).toEqual({
      name: "desk",
      description: "",
      instructions: "",
      tools: ["calculate", "get_weather", "search_web"],
      limits: {
        maxSteps: 6,
        maxTokens: 32_000,
        maxMs: 120_000,
        maxCostUsd: Number.POSITIVE_INFINITY,
        maxParallelCalls: 4,
        toolTimeoutMs: 10_000,
        maxResultTokens: 400,
      },
      memoryTokens: 300,
      numPassages: 0,
    })
    expect(rest).toEqual({
      model: undefined,
      contextLength: undefined,
      knowledge: [],
      embedder: undefined,
      weather: { provider: "offline" },
      search: { provider: "offline", numResults: 3 },
      http: [],
      mcp: [],
      allowHosts: [],
    })
  })

  test("reads every key of an agent", () => {
    const { config, ...rest } = desk(`
description = "at the counter"
instructions = "Be brief."
model = "copy"
context = 4096
tools = ["calculate", "search_knowledge", "remember"]
memory = 500
passages = 2
knowledge = ["handbook", "faq"]
embedder = { kind = "onnx", model = "encoder.onnx" }
allow-hosts = ["10.0.0.7:8080"]
limits = { steps = 3, tokens = 4000, time = "30s", cost = 0.5, parallel-calls = 2, tool-timeout = "1s", result-tokens = 100 }`)
    expect(config).toEqual({
      name: "desk",
      description: "at the counter",
      instructions: "Be brief.",
      tools: ["calculate", "search_knowledge", "remember"],
      limits: {
        maxSteps: 3,
        maxTokens: 4000,
        maxMs: 30_000,
        maxCostUsd: 0.5,
        maxParallelCalls: 2,
        toolTimeoutMs: 1000,
        maxResultTokens: 100,
      },
      memoryTokens: 500,
      numPassages: 2,
    })
    expect(rest).toMatchObject({
      model: "copy",
      contextLength: 4096,
      knowledge: ["handbook", "faq"],
      embedder: { kind: "onnx", model: "encoder.onnx", task: "", timeoutMs: 1000 },
      allowHosts: ["10.0.0.7:8080"],
    })
  })

  test("reads who knows the weather and who searches", () => {
    const meteo = { provider: "open-meteo", keyEnv: undefined } as const
    expect(desk('weather = { provider = "open-meteo" }').weather).toEqual({
      ...meteo,
      geocodingUrl: "https://geocoding-api.open-meteo.com",
      forecastUrl: "https://api.open-meteo.com",
    })
    const own = 'geocoding-url = "http://geo.lan", forecast-url = "http://sky.lan", key-env = "SKY"'
    expect(desk(`weather = { provider = "open-meteo", ${own} }`).weather).toEqual({
      ...meteo,
      geocodingUrl: "http://geo.lan",
      forecastUrl: "http://sky.lan",
      keyEnv: "SKY",
    })
    expect(desk('search = { provider = "searxng", url = "http://search.lan", results = 5 }').search).toEqual({
      provider: "searxng",
      url: "http://search.lan",
      numResults: 5,
    })
    expect(desk('search = { provider = "brave", key-env = "BRAVE" }').search).toEqual({
      provider: "brave",
      url: "https://api.search.brave.com",
      keyEnv: "BRAVE",
      numResults: 3,
    })
  })

  test("reads HTTP tools: what does not only read is confirmed, unless the table says otherwise", () => {
    const { http, config } = desk(`
[agents.desk.http.balance]
${PAY}
[agents.desk.http.pay]
${PAY}
method = "POST"
headers = { accept = "text/plain" }
body = '{"to": {account}}'
key-env = "PAY_KEY"
timeout = "3s"
parameters = { type = "object", properties = { account = { type = "string" } } }
[agents.desk.http.quote]
${PAY}
method = "POST"
key-env = "PAY_KEY"
key-header = "x-key"
changes = false`)
    expect(config.tools.slice(3)).toEqual(["balance", "pay", "quote"])
    expect(http).toEqual([
      {
        name: "balance",
        description: "Pays.",
        parameters: { type: "object", properties: {} },
        method: "GET",
        url: "https://pay.example.com/v1/{account}",
        headers: {},
        body: undefined,
        key: undefined,
        changes: false,
        timeoutMs: undefined,
      },
      {
        name: "pay",
        description: "Pays.",
        parameters: { type: "object", properties: { account: { type: "string" } } },
        method: "POST",
        url: "https://pay.example.com/v1/{account}",
        headers: { accept: "text/plain" },
        body: '{"to": {account}}',
        key: { header: "authorization", env: "PAY_KEY" },
        changes: true,
        timeoutMs: 3000,
      },
      expect.objectContaining({ changes: false, key: { header: "x-key", env: "PAY_KEY" } }),
    ])
  })

  test("reads MCP servers: programs and services", () => {
    const { mcp } = desk(`
[agents.desk.mcp.files]
command = "mcp-files"
args = ["--root", "/srv"]
env = ["FILES_TOKEN"]
trusted = true
timeout = "5s"
tools = ["read"]
[agents.desk.mcp.crm]
url = "http://127.0.0.1:9000/mcp"
key-env = "CRM_KEY"`)
    expect(mcp).toEqual([
      {
        kind: "stdio",
        name: "files",
        command: "mcp-files",
        args: ["--root", "/srv"],
        env: ["FILES_TOKEN"],
        isTrusted: true,
        timeoutMs: 5000,
        tools: ["read"],
      },
      {
        kind: "http",
        name: "crm",
        url: "http://127.0.0.1:9000/mcp",
        key: { header: "authorization", env: "CRM_KEY" },
        isTrusted: false,
        timeoutMs: 20_000,
        tools: undefined,
      },
    ])
  })

  test("the assistant is there without any table, and reads one result of a search", () => {
    expect(ASSISTANT.config.name).toBe("assistant")
    expect(ASSISTANT.config.description).not.toBe("")
    expect(ASSISTANT.search).toEqual({ provider: "offline", numResults: 1 })
  })
})

const http = (lines: string, name = "pay"): string => `[agents.desk.http.${name}]\n${lines}`
const mcp = (lines: string, name = "box"): string => `[agents.desk.mcp.${name}]\n${lines}`

describe("parseAgents refuses", () => {
  const AT = "consilium.toml: agents"
  const NAME = "expected a name of 1 to 64 letters, digits, _ or -"

  test.each([
    ['agents = "desk"', `${AT}: expected a table, found "desk"`],
    ["agents = {}", `${AT}: expected tables [agents.<name>], found none`],
    ["[agents]\ndesk = 1", `${AT}.desk: expected a table, found 1`],
    ['[agents."a b"]', `${AT}.a b: ${NAME}, found a table`],
    [`[agents.${"x".repeat(65)}]`, `${AT}.${"x".repeat(65)}: ${NAME}, found a table`],
  ])("%j: %s", (toml, message) => {
    expect(() => agentsOf(toml)).toThrow(new Error(message))
  })

  test.each([
    ["tool = []", "tool: there is no such key: expected one of allow-hosts, "],
    ["description = 1", "description: expected some text, found 1"],
    ['knowledge = "handbook"', 'knowledge: expected a list of at most 1000 texts, found "handbook"'],
    ["context = 255", "context: expected a number from 256 to 10000000, found 255"],
    ["memory = -1", "memory: expected a number from 0 to 1000000, found -1"],
    ["limits = { step = 1 }", "limits.step: there is no such key: expected one of cost, parallel-calls, "],
    ["limits = { steps = 0 }", "limits.steps: expected a number from 1 to 100, found 0"],
    ["limits = { time = 30 }", 'limits.time: expected a time such as "30s" or "2m", found 30'],
    [
      'tools = ["calculator"]',
      "tools: expected some of calculate, get_weather, search_web, remember, found a list of 1",
    ],
    ['tools = ["search_knowledge"]', "tools: expected some of calculate, get_weather, search_web, remember, found"],
    ['tools = ["remember"]\nmemory = 0', 'memory: expected more than 0 with the tool "remember", found 0'],
    ["passages = 3", "passages: expected 0 without knowledge, found 3"],
    [`embedder = { kind = "local" }`, "embedder: expected none without knowledge, found a table"],
    ['weather = { provider = "bbc" }', 'weather.provider: expected one of offline, open-meteo, found "bbc"'],
    ['weather = { key-env = "A" }', "weather.key-env: there is no such key: expected one of provider"],
    ['search = { provider = "bing" }', 'search.provider: expected one of offline, searxng, brave, found "bing"'],
    ['search = { provider = "searxng" }', "search.url: expected the address of an instance, found nothing"],
    [
      'search = { provider = "searxng", url = "search.lan" }',
      'search.url: expected an http or https address without a name, found "search.lan"',
    ],
    [
      'search = { provider = "searxng", url = "http://me:pw@search.lan" }',
      "search.url: expected an http or https address",
    ],
    ['search = { provider = "brave" }', "search.key-env: expected the variable that holds its key, found nothing"],
    [
      'search = { provider = "brave", key-env = "sk-1" }',
      "search.key-env: expected the name of an environment variable",
    ],
    ['search = { url = "http://search.lan" }', "search.url: there is no such key: expected one of provider, results"],
    [http('url = "http://a/"'), "http.pay.description: expected some text, found nothing"],
    [http('description = "Pays."'), "http.pay.url: expected some text, found nothing"],
    [http(PAY, '"a b"'), `http.a b: ${NAME}, found a table`],
    [http(PAY, "calculate"), "http.calculate: expected a name that is not one of calculate, get_weather, search_web, "],
    [http(PAY, "remember"), "http.remember: expected a name that is not one of calculate, "],
    [http(PAY, "search_knowledge"), "http.search_knowledge: expected a name that is not one of calculate, "],
    ...["ftp://pay/", "https://{bank}.example.com/", "https://pay{bank}/", "http://a b/", "http://me:pw@pay/"].map(
      (url) =>
        [
          http(`description = "Pays."\nurl = "${url}"`),
          `http.pay.url: expected an http or https address without a name or {…} in its host, found "${url}"`,
        ] as const,
    ),
    [http(`${PAY}\nmethod = "HEAD"`), 'http.pay.method: expected one of GET, POST, PUT, PATCH, DELETE, found "HEAD"'],
    [http(`${PAY}\nkey-header = "x-key"`), "http.pay.key-env: expected a variable with key-header, found nothing"],
    [http(`${PAY}\nkey-env = "sk-1"`), "http.pay.key-env: expected the name of an environment variable"],
    [http(`${PAY}\nheaders = { a = 1 }`), "http.pay.headers: expected a table of texts, found a table"],
    [http(`${PAY}\nparameters = "none"`), 'http.pay.parameters: expected a table, found "none"'],
    [
      http(`${PAY}\nparameters = { type = "string" }`),
      'http.pay.parameters: expected a JSON schema of type "object", found a table',
    ],
    [
      http(`${PAY}\nparameters = { type = "object", properties = { a = { type = "text" } } }`),
      "http.pay.parameters: expected a JSON schema (type must be JSONType or JSONType[]: text), found a table",
    ],
    [http(`${PAY}\nurls = "x"`), "http.pay.urls: there is no such key"],
    [mcp('command = "a"\nurl = "http://a/"'), 'mcp.box.command: expected either a command or a url, found "a"'],
    [mcp("trusted = true"), "mcp.box.command: expected either a command or a url, found nothing"],
    [mcp('url = "a"'), 'mcp.box.url: expected an http or https address without a name, found "a"'],
    [mcp('command = "a"\nkey-env = "A"'), "mcp.box.key-env: there is no such key: expected one of args, "],
    [mcp('url = "http://a/"\nargs = ["a"]'), "mcp.box.args: there is no such key: expected one of command, "],
    [mcp('command = "a"\nenv = ["A=1"]'), "mcp.box.env: expected names of environment variables, found a list of 1"],
    [mcp('command = "a"', '"a b"'), "mcp.a b: expected a name of 1 to 32 letters, digits, _ or -, found a table"],
    [mcp('command = "a"\ntools = ["x", "x"]'), "mcp.box.tools: expected each name once, found a list of 2"],
  ])("%j: %s", (lines, message) => {
    const toml = lines.startsWith("[") ? lines : `[agents.desk]\n${lines}`
    let words = ""
    try {
      agentsOf(toml)
    } catch (error) {
      words = (error as Error).message
      expect(error).toHaveProperty("_tag", "TableError")
    }
    expect(words).toStartWith(`${AT}.desk.${message}`)
    expect(words).not.toContain("\n")
  })
})
