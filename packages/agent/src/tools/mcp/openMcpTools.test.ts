import { expect, test } from "bun:test"
import { Effect, Fiber } from "effect"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { startHttpServer } from "../../../test/mcp/startHttpServer.ts"
import { type AgentTool, ToolError } from "../AgentTool.ts"
import type { McpHttpConfig, McpStdioConfig } from "./McpServerConfig.ts"
import { openMcpTools } from "./openMcpTools.ts"

const STDIO: McpStdioConfig = {
  kind: "stdio",
  name: "box",
  command: process.execPath,
  args: [join(import.meta.dir, "../../../test/mcp/stdioMain.ts")],
  env: {},
  isTrusted: false,
  timeoutMs: 10_000,
}

const KEY = "s3cret"

function http(url: string): McpHttpConfig {
  const headers = { authorization: `Bearer ${KEY}` }
  return { kind: "http", name: "net", url, headers, isTrusted: false, timeoutMs: 10_000 }
}

type Call = (name: string, args?: Record<string, unknown>, signal?: AbortSignal) => ReturnType<AgentTool["run"]>

function withTools(
  config: McpStdioConfig | McpHttpConfig,
  use: (call: Call, tools: readonly AgentTool[]) => Promise<void>,
): Promise<void> {
  const opened = Effect.flatMap(openMcpTools(config), (tools) =>
    Effect.promise(() =>
      use(async (name, args = {}, signal = new AbortController().signal) => {
        const tool = tools.find((tool) => tool.name === name)
        if (tool === undefined) throw new Error(`no tool ${name}`)
        return await tool.run(args, { runId: "run", userId: undefined, signal })
      }, tools),
    ),
  )
  return Effect.runPromise(Effect.scoped(opened))
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test("openMcpTools: lists the tools of all pages, prefixed, and what only reads needs no person", async () => {
  await withTools(STDIO, async (_, tools) => {
    expect(tools.map(({ name, changes }) => `${name} ${changes}`)).toEqual([
      "box_add false",
      ...["write", "fail", "refuse", "never", "die", "show", "huge", "whoami"].map((name) => `box_${name} true`),
    ])
    expect(tools[0]).toMatchObject({ description: "Adds two numbers.", parameters: { required: ["a", "b"] } })
  })
  await withTools({ ...STDIO, isTrusted: true }, async (_, tools) => {
    expect(tools.some(({ changes }) => changes)).toBe(false)
  })
})

test("openMcpTools: calls over standard input and output", async () => {
  await withTools(STDIO, async (call) => {
    expect(await call("box_add", { a: 2, b: 3 })).toEqual({ text: "5" })
    await expect(call("box_fail")).rejects.toThrow(new ToolError("disk full"))
    await expect(call("box_refuse")).rejects.toThrow(new ToolError("no such file"))
  })
})

test("openMcpTools: shows texts, names the rest, and bounds it", async () => {
  await withTools(STDIO, async (call) => {
    expect(await call("box_show")).toEqual({
      text: "See:\n(image, image/png, not shown)\nreport: file:///report.md\nA note.\n(file:///data.bin, not shown)",
      sources: [
        { title: "report", location: "file:///report.md" },
        { title: "file:///note.txt", location: "file:///note.txt" },
        { title: "file:///data.bin", location: "file:///data.bin" },
      ],
    })
    expect((await call("box_huge")).text).toEndWith("x\n(34464 more characters)")
  })
})

test("openMcpTools: a program sees none of the service's environment but what is named, and ends with the scope", async () => {
  process.env["FIXTURE_SECRET"] = "x"
  let pid = 0
  await withTools({ ...STDIO, env: { FIXTURE_TOKEN: "y" } }, async (call) => {
    const who = JSON.parse((await call("box_whoami")).text) as {
      readonly pid: number
      readonly names: readonly string[]
    }
    pid = who.pid
    expect(who.names).toContain("FIXTURE_TOKEN")
    expect(who.names).not.toContain("FIXTURE_SECRET")
    expect(isAlive(pid)).toBe(true)
  })
  delete process.env["FIXTURE_SECRET"]
  expect(isAlive(pid)).toBe(false)
})

test("openMcpTools: a call ends with its caller", async () => {
  await withTools({ ...STDIO, timeoutMs: 600_000 }, async (call) => {
    const leaving = new AbortController()
    const answer = call("box_never", {}, leaving.signal)
    leaving.abort()
    await expect(answer).rejects.toThrow(new ToolError("the call was cancelled"))
  })
})

test("openMcpTools: a call that takes too long is left, and the connection kept", async () => {
  await withTools({ ...STDIO, timeoutMs: 2000 }, async (call) => {
    await expect(call("box_never")).rejects.toThrow(new ToolError("timeout: box took longer than 2000 ms"))
    expect((await call("box_add", { a: 1, b: 1 })).text).toBe("2")
  })
})

test("openMcpTools: a program that dies fails its calls and is started anew at the next one", async () => {
  await withTools(STDIO, async (call) => {
    const [other, dying] = await Promise.allSettled([call("box_never"), call("box_die")])
    const ended = { status: "rejected", reason: new ToolError("service unavailable: the connection to box ended") }
    expect([other, dying]).toEqual([ended, ended] as never)
    const answers = await Promise.all([call("box_add", { a: 1, b: 2 }), call("box_add", { a: 3, b: 4 })])
    expect(answers.map(({ text }) => text)).toEqual(["3", "7"])
  })
})

test("openMcpTools: says why a server cannot be used", async () => {
  const failing = { ...STDIO, env: { FIXTURE_FAILS: "1" } }
  const error = await Effect.runPromise(Effect.scoped(Effect.flip(openMcpTools(failing))))
  expect(error).toMatchObject({ _tag: "McpServerError", server: "box" })
  expect(error.message).toEndWith("fixture starts")
  const missing = { ...STDIO, command: "/nowhere/server" }
  expect((await Effect.runPromise(Effect.scoped(Effect.flip(openMcpTools(missing))))).message).toContain("ENOENT")
})

test("openMcpTools: calls over streamable HTTP with the server's key", async () => {
  const server = startHttpServer(KEY)
  await withTools(http(server.url), async (call) => {
    expect(await call("net_add", { a: 2, b: 3 })).toEqual({ text: "5" })
    await expect(call("net_fail")).rejects.toThrow(new ToolError("disk full"))
    await expect(call("net_refuse")).rejects.toThrow(new ToolError("no such file"))
    expect(server.numSessions()).toBe(1)
  })
  await server.stop()
})

test("openMcpTools: a service that went away fails a call, and is found again once it is back", async () => {
  const server = startHttpServer(KEY)
  await withTools(http(server.url), async (call) => {
    await server.stop()
    const ended = new ToolError("service unavailable: the connection to net ended")
    await expect(call("net_add", { a: 2, b: 3 })).rejects.toThrow(ended)
    const back = startHttpServer(KEY, server.port)
    expect((await call("net_add", { a: 2, b: 3 })).text).toBe("5")
    await back.stop()
  })
})

test("openMcpTools: a service that forgot the session is connected to anew", async () => {
  const server = startHttpServer(KEY)
  await withTools(http(server.url), async (call) => {
    await server.stop()
    const back = startHttpServer(KEY, server.port)
    await expect(call("net_add", { a: 2, b: 3 })).rejects.toThrow("the connection to net ended")
    expect((await call("net_add", { a: 2, b: 3 })).text).toBe("5")
    await back.stop()
  })
})

test("openMcpTools: without the key, or redirected elsewhere, there are no tools", async () => {
  const server = startHttpServer(KEY)
  const open = (config: McpHttpConfig) => Effect.runPromise(Effect.scoped(Effect.flip(openMcpTools(config))))
  expect((await open({ ...http(server.url), headers: {} })).message).toContain("who?")
  expect((await open(http(`http://127.0.0.1:${server.port}/away`))).message).toContain("redirect")
  await server.stop()
})

test("openMcpTools: who leaves does not wait for a program that never answers", async () => {
  const dir = mkdtempSync(join(tmpdir(), "consilium-mcp-"))
  const file = join(dir, "pid")
  const script = `require("fs").writeFileSync(${JSON.stringify(file)}, String(process.pid)); process.stdin.resume()`
  const opening = Effect.runFork(Effect.scoped(openMcpTools({ ...STDIO, args: ["-e", script], timeoutMs: 40_000 })))
  while (!existsSync(file) || readFileSync(file, "utf8") === "") await Bun.sleep(5)
  const beganMs = performance.now()
  await Effect.runPromise(Fiber.interrupt(opening))
  expect(performance.now() - beganMs).toBeLessThan(20_000)
  expect(isAlive(Number(readFileSync(file, "utf8")))).toBe(false)
  rmSync(dir, { recursive: true })
})
