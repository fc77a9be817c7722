/** `consilium chat` in a child process: answers on standard output, what is done for them on standard error. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type RunningService, startService } from "./startService.ts"

const place = mkdtempSync(join(tmpdir(), "consilium-chat-"))
const main = join(import.meta.dir, "../src/main.ts")
afterAll(() => rmSync(place, { recursive: true, force: true }))

/** Talks these lines, and returns what came of it. */
const chat = (lines: readonly string[], ...args: readonly string[]) => chatIn(place, lines, ...args)

async function chatIn(cwd: string, lines: readonly string[], ...args: readonly string[]) {
  const child = Bun.spawn([process.execPath, main, "chat", ...args], {
    stdio: [new Blob([lines.join("\n")]), "pipe", "pipe"],
    cwd,
    env: { PATH: process.env.PATH ?? "", HOME: place },
  })
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  return { exitCode: await child.exited, stdout, stderr }
}

const SUM = "What is 45 * 19?"

describe("consilium chat --tools", () => {
  test("answers on standard output, calls and results on standard error", async () => {
    const { exitCode, stdout, stderr } = await chat([SUM, "/new", "What is 2 * 3?"], "--tools")
    expect(exitCode).toBe(0)
    expect(
      stdout
        .trim()
        .split("\n")
        .map((line) => /855|6/.exec(line)?.[0]),
    ).toEqual(["855", "6"])
    expect(stdout).not.toContain("calculate(")
    expect(stderr).toContain('  calculate({"expression":"45*19"})\n  → 45*19 = 855\n')
  }, 60_000)

  test("documents that are named are read, and said to be", async () => {
    const documents = mkdtempSync(join(place, "documents-"))
    writeFileSync(join(documents, "desk.md"), "# Opening hours\nThe desk is open from nine to five.")
    const { exitCode, stderr } = await chat(["When is the desk open?"], "--tools", "--knowledge", documents)
    expect(exitCode).toBe(0)
    expect(stderr).toContain("  sources: [1] desk.md › Opening hours\n")
  }, 60_000)

  test("remembers whoever is named, in another process too", async () => {
    const told = await chat(["My name is Anna.", "/new", "What is my name?"], "--tools", "--user", "anna")
    expect([told.exitCode, told.stdout]).toMatchObject([0, expect.stringContaining("Anna")])
    const known = await chat(["What is my name?"], "--tools", "--user", "anna")
    expect(known.stdout).toContain("Anna")
    const other = await chat(["What is my name?"], "--tools", "--user", "bert")
    expect(other.stdout).not.toContain("Anna")
  }, 60_000)

  test.each([
    [["--user", "anna"], "--user: expected --tools or --agent beside it"],
    [["--knowledge", "."], "--knowledge: expected --tools or --agent beside it"],
    [["--agent", "nobody"], '--agent: expected one of assistant, found "nobody"'],
    [["--tools", "--knowledge", ".", "--url", "http://127.0.0.1:1"], "--knowledge: expected none with --url"],
  ])("%j is one clear line, before anything is loaded", async (args, line) => {
    const { exitCode, stdout, stderr } = await chat([SUM], ...args)
    expect([exitCode, stdout]).toEqual([1, ""])
    expect(stderr).toStartWith(line)
    expect(stderr.trim().split("\n")).toEqual([expect.any(String), "See consilium chat --help."])
  })
})

test("consilium chat --agent: an agent that asks an expert of a fleet is talked to through its service", async () => {
  const cwd = mkdtempSync(join(place, "far-"))
  writeFileSync(join(cwd, "consilium.toml"), '[agents.far]\nmodel = "copy"\n[agents.near]\nmodel = "consilium-mini"')
  const far = await chatIn(cwd, [SUM], "--agent", "far")
  expect([far.exitCode, far.stdout]).toEqual([1, ""])
  expect(far.stderr).toContain(
    'consilium.toml: agents.far.model: expected "auto" or "consilium-mini", which is alone here',
  )
  expect((await chatIn(cwd, [SUM], "--agent", "near")).stdout).toContain("855")
}, 60_000)

describe("consilium chat --url", () => {
  let service: RunningService
  beforeAll(async () => {
    const cwd = mkdtempSync(join(place, "service-"))
    const lights = `[agents.keeper.http.turn_on_light]
description = "Turn on a light in a room."
method = "POST"
url = "http://127.0.0.1:1/lights"
parameters = { type = "object", properties = { room = { type = "string" } }, required = ["room"] }`
    writeFileSync(
      join(cwd, "consilium.toml"),
      `[agents.assistant]\nsearch = { results = 1 }\n[agents.keeper]\ntools = ["turn_on_light"]\n${lights}`,
    )
    service = await startService(["--agent-memory", "off", "--api-key", "k"], { cwd })
  }, 60_000)
  afterAll(() => service.close())
  const talk = (lines: readonly string[], ...args: readonly string[]) =>
    chat(lines, "--url", service.url, "--api-key", "k", ...args)

  test("talks to an agent of a running service", async () => {
    const { exitCode, stdout, stderr } = await talk([SUM, "What is 2 * 3?"], "--agent", "assistant")
    expect(exitCode).toBe(0)
    expect(
      stdout
        .trim()
        .split("\n")
        .map((line) => /855|6/.exec(line)?.[0]),
    ).toEqual(["855", "6"])
    expect(stderr).toContain('  calculate({"expression":"45*19"})\n  → 45*19 = 855\n')
  })

  test("nobody is there to confirm: a call that changes something is refused", async () => {
    const { exitCode, stderr } = await talk(["Turn on the light in the kitchen"], "--agent", "keeper")
    expect(exitCode).toBe(0)
    expect(stderr).toContain("  turn_on_light(")
    expect(stderr).toContain("  → refused: ")
  })

  test("an agent that is not there is told in the service's words", async () => {
    const { stdout, stderr } = await talk([SUM], "--agent", "nobody")
    expect(stdout.trim()).toBe("")
    expect(stderr.trim()).toBe(
      `${service.url}/v1/agents/nobody/runs answered 404: There is no agent "nobody" here: expected one of "assistant", "keeper".`,
    )
  })

  test("a question that failed is no part of the conversation", async () => {
    const { stdout, stderr } = await talk(["word ".repeat(5000), SUM], "--agent", "assistant")
    expect(stderr).toContain("answered 400: The model's context holds ")
    expect(stdout).toContain("855")
  })

  test("/new begins another conversation for the service too", async () => {
    const asked: { readonly conversation: string; readonly user: string; readonly messages: readonly object[] }[] = []
    const fake = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: async (request) => {
        asked.push((await request.json()) as (typeof asked)[number])
        const text = { type: "text", step: 1, text: "Ok." }
        return new Response(
          [text, { object: "agent.run", id: "r" }].map((one) => `data: ${JSON.stringify(one)}\n\n`).join(""),
        )
      },
    })
    const { stdout } = await chat(
      ["a", "b", "/new", "c"],
      "--url",
      fake.url.href,
      "--agent",
      "assistant",
      "--user",
      "anna",
    )
    expect(stdout).toBe("Ok.\nOk.\nOk.\n")
    expect(asked.map(({ messages }) => messages.length)).toEqual([1, 3, 1])
    const [first, second, third] = asked.map(({ conversation }) => conversation)
    expect(first).toBe(second!)
    expect(third).not.toBe(first!)
    expect(asked.map(({ user }) => user)).toEqual(["anna", "anna", "anna"])
    await fake.stop(true)
  })

  test("what a service says moves no cursor and sets no clipboard", async () => {
    const evil = "a\u001B[2K\u001B]52;c;eA==\u0007b"
    const fake = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () => {
        const call = { type: "call", step: 1, callId: "c", tool: "look", arguments: evil }
        const result = { type: "result", outcome: "done", text: evil }
        const events = [call, result, { type: "text", text: evil }, { object: "agent.run", id: "r" }]
        return new Response(events.map((one) => `data: ${JSON.stringify(one)}\n\n`).join(""))
      },
    })
    const { stdout, stderr } = await chat([SUM], "--url", fake.url.href, "--tools")
    await fake.stop(true)
    expect(stdout).toBe("a[2K]52;c;eA==b\n")
    expect(stderr).toBe("  look(a[2K]52;c;eA==b)\n  → a[2K]52;c;eA==b\n")
  })

  test("without a service there, that is one line", async () => {
    const { stderr } = await chat([SUM], "--url", "http://127.0.0.1:1", "--agent", "assistant")
    expect(stderr).toStartWith("http://127.0.0.1:1/v1/agents/assistant/runs: no service answers there (")
    expect(stderr.trim().split("\n")).toHaveLength(1)
  })
})
