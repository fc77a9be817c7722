/** What lies in the memory's file, and what becomes of it: restarts, other processes, full disks, damage, and forgetting. */
import { afterAll, expect, test } from "bun:test"
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { openStore } from "../src/store/openStore.ts"
import { MEMORY_SCHEMA } from "../src/memory/createMemoryTables.ts"
import { createSqliteMemory, openSqliteMemory } from "../src/memory/openSqliteMemory.ts"
import { ana, bob, createTalk, recall } from "./recalling.ts"

const dir = mkdtempSync(join(tmpdir(), "consilium-memory-"))
afterAll(() => rmSync(dir, { recursive: true }))
let numFiles = 0
const newPath = (): string => join(dir, `${numFiles++}.db`)

test("memory: survives a restart, turns, summary and facts", async () => {
  const path = newPath()
  const before = openSqliteMemory(path)
  await before.note(ana, {
    user: "My order number is A-1043. I want it by Friday.",
    answer: "It comes on Friday.",
    nowMs: 0,
  })
  for (let i = 0; i < 20; i++)
    await before.note(ana, { user: `Thing ${i} is red.`, answer: "Fine. ".repeat(20), nowMs: i })
  const said = await recall(before, ana, "Which order number do I have?")
  before.close()
  const after = openSqliteMemory(path)
  expect(await recall(after, ana, "Which order number do I have?")).toEqual(said)
  expect(said.facts[0]).toBe("My order number is A-1043.")
  expect(said.summary).toContain("user: I want it by Friday.")
  expect(said.turns.at(-2)).toEqual({ role: "user", content: "Thing 19 is red." })
  after.close()
})

/** Every file of a database, as its bytes are. */
const bytesOf = (path: string): string =>
  readdirSync(dir)
    .filter((name) => join(dir, name).startsWith(path))
    .map((name) => readFileSync(join(dir, name), "latin1"))
    .join("\n")

test("memory: forget leaves nothing of a user in any byte of the database's files, and all of the others", async () => {
  const path = newPath()
  const memory = openSqliteMemory(path, {
    embedder: { embed: async (texts) => texts.map(() => Float32Array.of(1, 2)) },
  })
  const talk = createTalk(3)
  for (let i = 0; i < 120; i++) {
    const { user, answer } = talk()
    await memory.note(ana, {
      user: `${user} I prefer zanzibarblue number ${i}.`,
      answer: `${answer} quokkagreen`,
      nowMs: i,
    })
    await memory.note({ ...ana, agent: "shop" }, { user: "My name is Zanzibarblue.", answer: "quokkagreen", nowMs: i })
    await memory.note(bob, { user: `${user} I have a walrus.`, answer, nowMs: i })
    await recall(memory, ana, "zanzibarblue", 300, i)
  }
  const secrets = /ana-7731|zanzibarblue|quokkagreen/i
  expect(bytesOf(path)).toMatch(secrets)
  const another = openSqliteMemory(path)
  const before = await recall(another, bob, "walrus")
  expect(await memory.forget(ana.userId, "shop")).toBe(121)
  expect(await memory.forget(ana.userId)).toBe(240)
  expect(bytesOf(path)).not.toMatch(secrets)
  expect(await recall(another, bob, "walrus")).toEqual(before)
  expect((await recall(another, ana, "zanzibarblue")).facts).toEqual([])
  expect(await memory.forget(ana.userId)).toBe(0)
  memory.close()
  another.close()
  expect(bytesOf(path)).not.toMatch(secrets)
})

test("memory: forgetting while another reads says that it is not done, and is done when asked again", async () => {
  const path = newPath()
  const memory = openSqliteMemory(path)
  await memory.note(ana, { user: "My name is Zanzibarblue.", answer: "Hello.", nowMs: 0 })
  const reader = openStore(path, MEMORY_SCHEMA)
  reader.run("BEGIN")
  reader.query("SELECT count(*) FROM turns").get()
  expect((await recall(memory, ana, "name")).facts).toHaveLength(1)
  expect(await memory.forget(ana.userId).catch((error: Error) => error.message)).toContain("forget again")
  expect((await recall(memory, ana, "name")).facts).toEqual([])
  reader.run("COMMIT")
  await memory.forget(ana.userId)
  expect(bytesOf(path)).not.toContain("Zanzibarblue")
  reader.close()
  memory.close()
})

test("memory: processes make one file together, write it side by side, and read what the others wrote", async () => {
  const path = newPath()
  const script = `
    import { openSqliteMemory } from ${JSON.stringify(join(import.meta.dir, "../src/memory/openSqliteMemory.ts"))}
    const [userId] = Bun.argv.slice(-1)
    const memory = openSqliteMemory(${JSON.stringify(path)})
    for (let i = 0; i < 150; i++)
      await memory.note({ agent: "desk", userId, conversationId: "c1" }, { user: "Walrus " + i + " sleeps.", answer: "Yes.", nowMs: i })
    memory.close()`
  const users = ["one", "two", "three"]
  const processes = users.map((user) =>
    Bun.spawn([process.execPath, "-e", script, user], { stdout: "inherit", stderr: "inherit" }),
  )
  expect(await Promise.all(processes.map(({ exited }) => exited))).toEqual([0, 0, 0])
  const memory = openSqliteMemory(path)
  for (const userId of users) {
    const recalled = await recall(memory, { ...ana, userId }, "x", 100_000)
    expect(recalled.turns.filter(({ role }) => role === "user")).toHaveLength(64)
    expect(recalled.turns.at(-2)!.content).toBe("Walrus 149 sleeps.")
  }
  for (const userId of users) expect(await memory.forget(userId)).toBe(150)
  memory.close()
})

test("memory: a write waits a second for another process's, then says who is in the way, and goes through once it is gone", async () => {
  const path = newPath()
  const memory = openSqliteMemory(path)
  const other = openStore(path, MEMORY_SCHEMA)
  other.run("BEGIN IMMEDIATE")
  const turn = { user: "My name is Ana.", answer: "Hello.", nowMs: 0 }
  const started = performance.now()
  const error = await memory.note(ana, turn).catch((thrown: unknown) => thrown)
  expect(performance.now() - started).toBeGreaterThan(900)
  expect((error as Error).message).toContain("found that another process has been using it for 1000 ms: try again")
  other.run("COMMIT")
  await memory.note(ana, turn)
  expect((await recall(memory, ana, "name")).turns).toHaveLength(2)
  other.close()
  memory.close()
})

test("memory: a full disk loses nothing that was kept, says so, and writing goes on once there is room", async () => {
  const path = newPath()
  const db = openStore(path, MEMORY_SCHEMA)
  const memory = createSqliteMemory(db, path)
  await memory.note(ana, { user: "My name is Ana.", answer: "Hello.", nowMs: 0 })
  const { page_count } = db.query<{ page_count: number }, []>("PRAGMA page_count").get()!
  db.run(`PRAGMA max_page_count = ${page_count}`)
  const long = { user: `My address is here. ${"x".repeat(20_000)}`, answer: "y".repeat(20_000), nowMs: 1 }
  const error = await memory.note(ana, long).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ _tag: "StoreError" })
  expect((error as Error).message).toContain("found the disk full: free some space; what was kept before is unharmed")
  expect((await recall(memory, ana, "name")).facts).toEqual(["My name is Ana."])
  expect((await recall(memory, ana, "name")).turns).toHaveLength(2)
  db.run("PRAGMA max_page_count = 100000")
  await memory.note(ana, long)
  expect((await recall(memory, ana, "name")).facts).toHaveLength(2)
  memory.close()
})

test("memory: a damaged file, another database and a folder that is not there each say what they are", async () => {
  const noise = newPath()
  writeFileSync(noise, "this is no database, but long enough to be read as a header of one ".repeat(30))
  expect(() => openSqliteMemory(noise)).toThrow("found something else, or a damaged one: put a copy in its place")

  const foreign = newPath()
  openStore(foreign, { kind: "knowledge", applicationId: 1, version: 1, tables: ["CREATE TABLE a (b)"] }).close()
  expect(() => openSqliteMemory(foreign)).toThrow(
    "expected a memory file of version 1, found another database: give it a path",
  )
  expect(() => openSqliteMemory(join(dir, "absent/file.db"))).toThrow(
    "found that it cannot be opened: is its folder there",
  )

  const torn = newPath()
  const memory = openSqliteMemory(torn)
  for (let i = 0; i < 300; i++)
    await memory.note(ana, { user: `Otter ${i} swims.`, answer: "Yes. ".repeat(50), nowMs: i })
  memory.close()
  truncateSync(torn, statSync(torn).size / 2)
  const error = await (async () => recall(openSqliteMemory(torn), ana, "otter"))().catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ _tag: "StoreError" })
  expect((error as Error).message).toContain("found it damaged: put a copy in its place")
})
