/** `consilium forget` in a child process, with what a service of the same settings and the terminal were told. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type RunningService, startService } from "./startService.ts"

const place = mkdtempSync(join(tmpdir(), "consilium-forget-"))
const main = join(import.meta.dir, "../src/main.ts")
let service: RunningService

beforeAll(async () => {
  writeFileSync(join(place, "consilium.toml"), `agent-memory = "${join(place, "memory.sqlite")}"`)
  service = await startService([], { cwd: place })
}, 60_000)
afterAll(async () => {
  await service.close()
  rmSync(place, { recursive: true, force: true })
})

async function consilium(args: readonly string[], input = "") {
  const child = Bun.spawn([process.execPath, main, ...args], {
    stdio: [new Blob([input]), "pipe", "pipe"],
    cwd: place,
    env: { PATH: process.env.PATH ?? "", HOME: place },
  })
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  return { exitCode: await child.exited, stdout, stderr }
}

/** Tells the service something as the client of a key. @returns what it recalls beside it */
async function tell(key: string, input: string): Promise<string> {
  const response = await fetch(`${service.url}/v1/agents/assistant/runs`, {
    method: "POST",
    headers: key === "" ? {} : { authorization: `Bearer ${key}` },
    body: JSON.stringify({ input, user: "anna", conversation: crypto.randomUUID() }),
  })
  const { trace } = (await response.json()) as { readonly trace: readonly { readonly type: string }[] }
  return JSON.stringify(trace.filter(({ type }) => type === "recalled"))
}

const TOLD = "My name is Anna Zwetschge."

describe("consilium forget", () => {
  test("removes a user of one key, and leaves the one of another key who has the same name", async () => {
    await tell("one", TOLD)
    await tell("two", TOLD)
    const gone = await consilium(["forget", "--user", "anna", "--api-key", "one"])
    expect(gone).toMatchObject({ exitCode: 0, stdout: 'Forgot 2 turns and facts of "anna".\n' })
    expect(await tell("one", "What is my name?")).not.toContain("Zwetschge")
    expect(await tell("two", "What is my name?")).toContain("Zwetschge")
    const there = await consilium(["forget", "--user", "anna", "--api-key", "two", "--url", service.url])
    expect(there.stdout).toStartWith("Forgot ")
    expect(await tell("two", "What is my name?")).not.toContain("Zwetschge")
    for (const file of readdirSync(place).filter((name) => name.startsWith("memory.sqlite")))
      expect([file, readFileSync(join(place, file)).includes("Zwetschge")]).toEqual([file, false])
  }, 60_000)

  test("the terminal is a client with the settings' key", async () => {
    await consilium(["chat", "--tools", "--user", "anna", "--api-key", "three"], TOLD)
    expect(await tell("three", "What is my name?")).toContain("Zwetschge")
    expect((await consilium(["forget", "--user", "anna", "--api-key", "three"])).stdout).toStartWith("Forgot ")
    expect((await consilium(["forget", "--user", "anna", "--api-key", "three"])).stdout).toBe(
      'Nothing is remembered of "anna" for this API key.\n',
    )
  }, 60_000)

  test.each([
    [["forget"], "expected --user, found none"],
    [["forget", "--user", ""], "expected --user, found none"],
    [["forget", "anna"], "expected no word without --, found anna"],
    [["forget", "--user", "anna", "--agent-memory", "off"], "--agent-memory off: expected what agents remember"],
    [["forget", "--user", "anna", "--agent-memory", "none.sqlite"], "--agent-memory none.sqlite: expected what"],
    [["forget", "--user", "anna", "--url", "http://127.0.0.1:1"], "http://127.0.0.1:1: no service answers there"],
  ])("%j is one clear line", async (args, line) => {
    const { exitCode, stdout, stderr } = await consilium(args)
    expect([exitCode, stdout]).toEqual([1, ""])
    expect(stderr).toStartWith(line)
    expect(stderr.trim().split("\n")).toEqual([expect.any(String), "See consilium forget --help."])
  })
})
