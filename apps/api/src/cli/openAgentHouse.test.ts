import { afterAll, afterEach, describe, expect, spyOn, test } from "bun:test"
import { Effect } from "effect"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { scriptedModel } from "../../test/fakeAgent.ts"
import { loadSettings } from "../settings/loadSettings.ts"
import { openAgentHouse } from "./openAgentHouse.ts"

const dir = mkdtempSync(join(tmpdir(), "consilium-house-"))
const said = spyOn(console, "error").mockImplementation(() => {})
afterEach(() => said.mockClear())
afterAll(() => {
  said.mockRestore()
  rmSync(dir, { recursive: true })
})

/** Without a table of agents: there is none where this test runs. */
const openHouse = (memory: string) =>
  openAgentHouse(
    loadSettings({ flags: { "agent-memory": memory, "cache-dir": dir }, environment: {}, file: "consilium.toml" }),
    async () => () => Effect.succeed(scriptedModel("Good day.")),
  )

const ask = {
  runId: "r",
  agent: "assistant",
  messages: [{ role: "user", content: "Hi" }],
  user: "anna",
  conversation: "monday",
  confirmed: [],
  isStream: false,
  caller: { key: "", domain: "" },
} as const

describe("openAgentHouse", () => {
  test("opens its agents when somebody asks: the memory's file is made then, and its folder", async () => {
    const path = join(dir, "share", "consilium", "memory.sqlite")
    const house = await openHouse(path)
    expect(house.agentNames).toEqual(["assistant"])
    expect(existsSync(path)).toBe(false)
    const service = await house.agents()
    expect(await house.agents()).toBe(service)
    const { ended } = await Effect.runPromise(service.run(ask, () => {}))
    expect(ended.text).toBe("Good day.")
    expect(existsSync(path)).toBe(true)
    await house.close()
  })

  test("a memory that cannot be made is told to the operator once, to clients without its path, and tried anew", async () => {
    const file = join(dir, "occupied")
    const path = join(file, "memory.sqlite")
    writeFileSync(file, "")
    const house = await openHouse(path)
    for (let i = 0; i < 2; i++) {
      const error = await house.agents().then(
        () => undefined,
        (failed: unknown) => failed as Error,
      )
      expect(error).toMatchObject({ status: 503, code: "agents_unavailable" })
      expect(error!.message).not.toContain(dir)
    }
    expect(said.mock.calls).toEqual([
      [expect.stringMatching(new RegExp(`^agents cannot be opened: ${path}: expected a memory file, found `))],
    ])
    rmSync(file)
    expect((await house.agents()).agents.map(({ name }) => name)).toEqual(["assistant"])
    await house.close()
  })

  test("without a memory there is nothing to make", async () => {
    const house = await openHouse("off")
    const { ended } = await Effect.runPromise((await house.agents()).run(ask, () => {}))
    expect(ended.text).toBe("Good day.")
    await house.close()
  })

  test("closes whether nobody asked, or opening fails meanwhile", async () => {
    await (await openHouse("off")).close()
    const file = join(dir, "file")
    writeFileSync(file, "")
    const house = await openHouse(join(file, "memory.sqlite"))
    const opening = house.agents().catch(() => "failed")
    await house.close()
    expect(await opening).toBe("failed")
  })
})
