/** Agents' tables and memory as an operator meets them: errors at start are one line, a memory that fails is no end of the service. */
import { afterAll, describe, expect, test } from "bun:test"
import { startFakePeer } from "@consilium/testing/peer"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { startService } from "./startService.ts"

const place = mkdtempSync(join(tmpdir(), "consilium-agent-settings-"))
const peer = startFakePeer()
afterAll(() => {
  peer.stop()
  rmSync(place, { recursive: true, force: true })
})

const FLEET = `
[fleet.experts.copy]
kind = "remote"
url = "${peer.url}"
model = "writer"
`

const wrongs: readonly (readonly [what: string, toml: string, line: string])[] = [
  [
    "a key that nobody knows",
    '[agents.desk]\ntool = ["calculate"]',
    "consilium.toml: agents.desk.tool: there is no such key: expected one of allow-hosts, ",
  ],
  [
    "an expert that the fleet has not",
    `${FLEET}[agents.desk]\nmodel = "writer"`,
    'consilium.toml: agents.desk.model: expected "auto", "auto:0.3" or one of copy, found "writer"',
  ],
  [
    "a consultation on each step",
    `${FLEET}[agents.desk]\nmodel = "auto:consult"`,
    'consilium.toml: agents.desk.model: expected "auto", "auto:0.3" or one of copy, found "auto:consult"',
  ],
  [
    "an expert without a fleet",
    '[agents.desk]\nmodel = "copy"',
    'consilium.toml: agents.desk.model: expected "auto" or "consilium-mini" without a fleet, found "copy"',
  ],
  [
    "documents that are not there",
    '[agents.desk]\nknowledge = ["handbook"]',
    "handbook: expected a folder of documents, found ENOENT",
  ],
  [
    "a key that the environment lacks",
    '[agents.desk]\nsearch = { provider = "brave", key-env = "BRAVE" }',
    "agents.desk.search: expected a key in the environment variable BRAVE, found none",
  ],
  [
    "a program that is not there",
    '[agents.desk.mcp.box]\ncommand = "/nowhere/server"',
    "agents.desk.mcp.box: ENOENT: no such file or directory",
  ],
]

describe("agents at a service's start", () => {
  test.each(wrongs)(
    "%s is one line",
    async (_, toml, line) => {
      const cwd = mkdtempSync(join(place, "wrong-"))
      writeFileSync(join(cwd, "consilium.toml"), toml)
      const failure = await startService(["--agent-memory", "off"], { cwd }).then(
        () => "",
        (error: Error) => error.message,
      )
      expect(failure).toStartWith("the service ended with code 1: ")
      const lines = failure
        .trim()
        .split("\n")
        .filter((one) => one.includes("expected") || one.includes("ENOENT"))
      expect(lines).toHaveLength(1)
      expect(lines[0]).toContain(line)
      expect(failure).not.toMatch(/^\s+at /m)
    },
    60_000,
  )
})

describe("a service whose agents have no memory", () => {
  const post = (url: string, path: string, body: object): Promise<Response> =>
    fetch(`${url}${path}`, { method: "POST", body: JSON.stringify(body) })
  const CHAT = { messages: [{ role: "user", content: "Hi" }], max_tokens: 4 }

  test("because its file cannot be made: runs say so, the operator learns why, and the rest goes on", async () => {
    const file = join(place, "occupied")
    writeFileSync(file, "")
    const service = await startService(["--agent-memory", join(file, "memory.sqlite")])
    try {
      for (const [path, body] of [
        ["/v1/agents/assistant/runs", { input: "Hi" }],
        ["/v1/agents/assistant/runs", { input: "Hi", stream: true }],
        ["/v1/chat/completions", { ...CHAT, model: "agent:assistant" }],
      ] as const) {
        const response = await post(service.url, path, body)
        const text = await response.text()
        expect([response.status, JSON.parse(text)]).toMatchObject([503, { error: { code: "agents_unavailable" } }])
        expect(text).not.toContain("occupied")
      }
      expect(service.log()).toContain(`agents cannot be opened: ${file}/memory.sqlite: expected a memory file`)
      expect(service.log()).not.toMatch(/^\s+at /m)
      expect((await post(service.url, "/v1/chat/completions", { ...CHAT, model: "default" })).status).toBe(200)
    } finally {
      await service.close()
    }
  }, 60_000)

  test("because settings say off: runs work, nothing is kept", async () => {
    const service = await startService(["--agent-memory", "off"])
    try {
      const response = await post(service.url, "/v1/agents/assistant/runs", { input: "What is 2 * 3?", user: "anna" })
      expect(await response.json()).toMatchObject({ status: "completed" })
      const gone = await fetch(`${service.url}/v1/agents/users/anna`, { method: "DELETE" })
      expect(await gone.json()).toMatchObject({ forgotten: 0 })
    } finally {
      await service.close()
    }
  }, 60_000)
})
