import { afterAll, expect, test } from "bun:test"
import { parseAgents } from "@consilium/agent"
import type { Embedder } from "@consilium/fleet"
import { Effect } from "effect"
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { scriptedModel } from "../../test/fakeAgent.ts"
import { openAgents } from "./openAgents.ts"

const place = mkdtempSync(join(tmpdir(), "consilium-open-agents-"))
afterAll(() => rmSync(place, { recursive: true, force: true }))

const folderOf = (name: string, text: string): string => {
  const folder = join(place, name)
  mkdirSync(folder)
  writeFileSync(join(folder, `${name}.md`), text)
  return folder
}

/** Runs a desk over these folders, whose vectors are kept in the same place each time. */
async function ask(folders: readonly string[]) {
  const texts: string[] = []
  const embedder: Embedder = {
    mark: { kind: "onnx", model: "fake", task: "", size: 2 },
    embed: async (some) => {
      texts.push(...some)
      return some.map(({ length }) => Float32Array.of(1, length))
    },
    close: async () => {},
  }
  const table = { desk: { knowledge: folders, passages: 3, embedder: { kind: "onnx", model: "encoder.onnx" } } }
  const { service, close } = await openAgents({
    agents: parseAgents(table, "consilium.toml"),
    memoryFile: undefined,
    modelOf: () => Effect.succeed(scriptedModel("Here.")),
    environment: {},
    openEmbedder: async () => embedder,
    knowledgeDir: join(place, "kept"),
    say() {},
  })
  const asked = {
    runId: "r",
    agent: "desk",
    messages: [{ role: "user" as const, content: "loans" }],
    user: undefined,
    conversation: "c",
    confirmed: [],
    isStream: false,
    caller: { key: "", domain: "" },
  }
  const { ended } = await Effect.runPromise(service.run(asked, () => {}))
  await close()
  return { sources: ended.sources.map(({ title }) => title), texts }
}

test("openAgents: an agent knows its own folders, and none that another one of its name had, or that it had before", async () => {
  const bank = folderOf("bank", "Our loans cost 4 %.")
  const shop = folderOf("shop", "We sell no loans.")
  expect((await ask([bank, shop])).sources.toSorted()).toEqual(["bank.md", "shop.md"])
  expect((await ask([bank])).sources).toEqual(["bank.md"])
  expect((await ask([shop])).sources).toEqual(["shop.md"])
})

test("openAgents: vectors are kept from start to start", async () => {
  const hospital = folderOf("hospital", "No loans, but beds.")
  expect((await ask([hospital])).texts).toContain("No loans, but beds.")
  expect((await ask([hospital])).texts).not.toContain("No loans, but beds.")
  renameSync(join(hospital, "hospital.md"), join(hospital, "clinic.md"))
  expect((await ask([hospital])).sources).toEqual(["clinic.md"])
})
