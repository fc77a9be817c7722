import { afterAll, expect, test } from "bun:test"
import fc from "fast-check"
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { openStore } from "../store/openStore.ts"
import type { MemoryScope, Recalled } from "./AgentMemory.ts"
import { MEMORY_SCHEMA } from "./createMemoryTables.ts"
import { createSqliteMemory, type OpenMemory, openSqliteMemory } from "./openSqliteMemory.ts"

const dir = mkdtempSync(join(tmpdir(), "consilium-memory-"))
afterAll(() => rmSync(dir, { recursive: true }))
let numFiles = 0
const newPath = (): string => join(dir, `${numFiles++}.db`)

const HOUR_MS = 3_600_000
const countTokens = (text: string): number => Math.ceil(text.length / 4)
const ana: MemoryScope = { agent: "desk", userId: "ana-7731", conversationId: "c1" }
const bob: MemoryScope = { agent: "desk", userId: "bob-9917", conversationId: "c1" }

const recall = (
  memory: OpenMemory,
  scope: MemoryScope,
  text: string,
  budgetTokens = 400,
  nowMs = 0,
): Promise<Recalled> => memory.recall({ ...scope, text, budgetTokens, countTokens, nowMs })

const costOf = ({ facts, summary, turns }: Recalled): number =>
  [...facts, ...(summary === undefined ? [] : [summary]), ...turns.map(({ content }) => content)].reduce(
    (sum, text) => sum + countTokens(text),
    0,
  )

/** Small talk of a service desk, seeded. */
function createTalk(seed: number): () => { user: string; answer: string } {
  let state = seed
  const pick = <T>(list: readonly T[]): T => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return list[(state >>> 8) % list.length]!
  }
  const things = ["parcel", "invoice", "kettle", "lamp", "voucher", "发票", "subscription", "bicycle"]
  const days = ["Monday", "Friday", "the 3rd", "tomorrow", "next week", "周三"]
  return () => {
    const thing = pick(things)
    const number = pick([...Array(900).keys()]) + 100
    const user = pick([
      `Where is the ${thing} ${number}? It should have come on ${pick(days)}.`,
      `I want to return the ${thing}. I paid ${number} euros for it!`,
      `Please change the ${thing} to ${pick(days)}; thanks a lot for all the help so far.`,
      `What does a ${thing} cost, and can it be delivered by ${pick(days)}?`,
      `我想退掉这个${thing}，订单是${number}。什么时候可以退款？`,
      `Good morning. The ${thing} does not work.\nI tried it twice on ${pick(days)}.`,
    ])
    const answer = pick([
      `The ${thing} arrives on ${pick(days)}. Is there anything else?`,
      `I have changed it: ticket ${number}. You will get an e-mail by ${pick(days)}, and a refund of ${number} euros after that.`,
      `好的，${thing}的退款会在${pick(days)}到账。`,
      "Sorry to hear that. ".repeat(1 + (number % 7)).trim(),
    ])
    return { user, answer }
  }
}

test("memory: over 200 turns every recall is within its budget, and a fact told at turn 3 is recalled at turn 200", async () => {
  const memory = openSqliteMemory(newPath())
  const talk = createTalk(7)
  let numSummaries = 0
  for (let turn = 1; turn <= 200; turn++) {
    const nowMs = turn * HOUR_MS
    const said =
      turn === 3
        ? { user: "By the way, I am allergic to peanuts. Where is the parcel?", answer: "Noted, it comes on Friday." }
        : talk()
    for (const budgetTokens of [0, 5, 60, 400, 1000]) {
      const recalled = await recall(memory, ana, said.user, budgetTokens, nowMs)
      expect(costOf(recalled)).toBeLessThanOrEqual(budgetTokens)
      numSummaries += Number(recalled.summary !== undefined)
    }
    await memory.note(ana, { ...said, nowMs })
  }
  for (const budgetTokens of [60, 400]) {
    const { facts } = await recall(
      memory,
      ana,
      "Can I eat the cookies, or do I have an allergy?",
      budgetTokens,
      201 * HOUR_MS,
    )
    expect(facts.join(" ")).toContain("allergic to peanuts")
  }
  expect(numSummaries).toBeGreaterThan(300)
  memory.close()
})

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

test("memory: a later statement of the same kind replaces the earlier one, others stand beside it", async () => {
  const memory = openSqliteMemory(newPath())
  const talk = [
    "I live in Lyon.",
    "I am allergic to nuts.",
    "我叫王芳。",
    "I'm allergic to penicillin.",
    "I now live in Nice.",
  ]
  for (const [i, user] of talk.entries()) await memory.note(ana, { user, answer: "Thank you.", nowMs: i })
  await memory.noteFact(ana, "The user's name is Fang Wang", 9)
  const { facts } = await recall(memory, { ...ana, conversationId: "c2" }, "hello")
  expect([...facts].sort()).toEqual([
    "I am allergic to nuts.",
    "I now live in Nice.",
    "I'm allergic to penicillin.",
    "The user's name is Fang Wang",
  ])
  memory.close()
})

test("memory: what is no stated fact is recalled by its words, of earlier conversations too, and no question's echo comes before it", async () => {
  const memory = openSqliteMemory(newPath())
  const talk = [
    "The blue kettle leaks at the handle.",
    "Is the kettle covered?",
    "The lamp came broken.",
    "热水壶的盖子坏了。",
  ]
  for (const user of talk) await memory.note(ana, { user, answer: "I see.", nowMs: 0 })
  const other = { ...ana, conversationId: "c2" }
  expect((await recall(memory, other, "Is my kettle covered, it leaks?")).facts[0]).toBe(talk[0]!)
  expect((await recall(memory, other, "热水壶怎么办？")).facts).toEqual([talk[3]!])
  // In the conversation itself it is among the turns already.
  expect((await recall(memory, ana, "The kettle leaks.")).facts).toEqual([])
  memory.close()
})

test("memory: of statements equally near the later one comes first, and copies come once", async () => {
  const memory = openSqliteMemory(newPath())
  await memory.note(ana, { user: "The door code was 11 here.", answer: "", nowMs: 0 })
  await memory.note(ana, { user: "The door code was 22 here.", answer: "", nowMs: 500 * HOUR_MS })
  await memory.note(ana, { user: "The door code was 22 here.", answer: "", nowMs: 501 * HOUR_MS })
  const { facts } = await recall(memory, { ...ana, conversationId: "c2" }, "the door code", 400, 502 * HOUR_MS)
  expect(facts).toEqual(["The door code was 22 here.", "The door code was 11 here."])
  memory.close()
})

test("memory: nothing of one user, agent or conversation reaches another, and nobody without a name is kept", async () => {
  const memory = openSqliteMemory(newPath())
  await memory.note(ana, { user: "My name is Ana. The vault opens at nine.", answer: "Hello Ana.", nowMs: 0 })
  const nothing = { facts: [], summary: undefined, turns: [] }
  expect(await recall(memory, bob, "My name? When does the vault open?")).toEqual(nothing)
  expect(await recall(memory, { ...ana, agent: "shop" }, "the vault, my name")).toEqual(nothing)
  expect((await recall(memory, { ...ana, conversationId: "c2" }, "hello")).turns).toEqual([])
  expect(memory.note({ ...ana, userId: "" }, { user: "x", answer: "y", nowMs: 0 })).rejects.toThrow(
    "expected agent, user",
  )
  memory.close()
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
    import { openSqliteMemory } from ${JSON.stringify(join(import.meta.dir, "openSqliteMemory.ts"))}
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

test("memory: whatever is said and whatever the budget, a recall is within it, its turns whole and in order", async () => {
  const memory = openSqliteMemory(":memory:")
  const words = fc.array(
    fc.constantFrom("I", "like", "am", "allergic to", "kettle.", "12", "名字", "。", "?", "\n", "long ".repeat(30)),
    {
      maxLength: 12,
    },
  )
  let conversation = 0
  const property = fc.asyncProperty(
    fc.array(fc.tuple(words, words), { maxLength: 20 }),
    fc.nat(300),
    async (said, budgetTokens) => {
      const scope = { ...ana, userId: `user ${conversation++}` }
      for (const [i, [user, answer]] of said.entries())
        await memory.note(scope, { user: user.join(" "), answer: answer.join(" "), nowMs: i })
      const recalled = await recall(memory, scope, said.at(-1)?.[0].join(" ") ?? "", budgetTokens)
      expect(costOf(recalled)).toBeLessThanOrEqual(budgetTokens)
      const latest = said.flatMap(([user, answer]) => [user.join(" "), answer.join(" ")])
      expect(recalled.turns.map(({ content }) => content)).toEqual(latest.slice(latest.length - recalled.turns.length))
      expect(recalled.turns.every(({ role }, i) => role === (i % 2 === 0 ? "user" : "assistant"))).toBe(true)
    },
  )
  await fc.assert(property, { numRuns: 60 })
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

test("memory: an embedder finds what shares no word; one that fails leaves words", async () => {
  const meanings = [/car|automobile/i, /cat|kitten/i]
  let isUp = true
  const embed = async (texts: readonly string[]): Promise<Float32Array[]> => {
    if (!isUp) throw new Error("down")
    return texts.map((text) => Float32Array.from(meanings, (meaning) => Number(meaning.test(text))))
  }
  const memory = openSqliteMemory(newPath(), { embedder: { embed } })
  for (const user of ["The kitten sleeps.", "The automobile is red."])
    await memory.note(ana, { user, answer: "", nowMs: 0 })
  const other = { ...ana, conversationId: "c2" }
  expect((await recall(memory, other, "Which car?")).facts).toEqual(["The automobile is red."])
  isUp = false
  await memory.note(ana, { user: "The dog barks.", answer: "", nowMs: 0 })
  expect((await recall(memory, other, "Which dog?")).facts).toEqual(["The dog barks."])
  memory.close()
})

test("memory: a model's summary is written on from the one before; one that is too long or fails gives way to sentences", async () => {
  const tasks: { previous: string | undefined; numTurns: number }[] = []
  let answer = async (): Promise<string> => "Ana waits."
  const memory = openSqliteMemory(newPath(), {
    summarise: ({ previous, turns }) => {
      tasks.push({ previous, numTurns: turns.length })
      return answer()
    },
  })
  const say = (i: number) => memory.note(ana, { user: `I want ${i} lamps.`, answer: "Good. ".repeat(15), nowMs: i })
  for (let i = 0; i < 10; i++) await say(i)
  expect((await recall(memory, ana, "lamps", 200)).summary).toBe("Ana waits.")
  expect((await recall(memory, ana, "lamps", 200)).summary).toBe("Ana waits.")
  await say(10)
  await recall(memory, ana, "lamps", 200)
  expect(tasks).toEqual([
    { previous: undefined, numTurns: 14 },
    { previous: "Ana waits.", numTurns: 2 },
  ])
  answer = async () => "long ".repeat(500)
  await say(11)
  expect((await recall(memory, ana, "lamps", 200)).summary).toMatch(/user: I want \d+ lamps\./)
  answer = async () => Promise.reject(new Error("down"))
  await say(12)
  expect((await recall(memory, ana, "lamps", 200)).summary).toMatch(/user: I want \d+ lamps\./)
  memory.close()
})
