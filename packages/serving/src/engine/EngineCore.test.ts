import { GREEDY } from "@consilium/model"
import { describe, expect, test } from "bun:test"
import { answerTo, createFakeModel, type FakeModel } from "../../test/createFakeModel.ts"
import type { EngineEvent, Generate } from "../protocol.ts"
import { createEngineCore, type EngineCore } from "./EngineCore.ts"

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => (from + i) % 97)
const requestOf = (requestId: string, ids: readonly number[], change: Partial<Generate> = {}): Generate => ({
  type: "generate",
  requestId,
  ids,
  resumeFrom: 0,
  sampling: GREEDY,
  seed: 0,
  choice: 0,
  maxTokens: 8,
  stopIds: [],
  trace: false,
  ...change,
})

/** A core whose clock is `clock.ms`. */
function coreWith(model: FakeModel, clock = { ms: 0 }): EngineCore {
  return createEngineCore({ model, maxWaiting: 1000, nowMs: () => clock.ms })
}

/** Steps until nothing is left; returns all events. */
function runAll(core: EngineCore): EngineEvent[] {
  const events: EngineEvent[] = []
  for (let step = core.step(); step !== undefined; step = core.step()) {
    if (step.type === "fault") throw step.cause
    events.push(...step.events)
  }
  return events
}

const tokensOf = (events: readonly EngineEvent[], requestId: string): number[] =>
  events.flatMap((event) =>
    event.type === "tokens" && event.requestId === requestId ? event.tokens.map(({ id }) => id) : [],
  )
const usageOf = (events: readonly EngineEvent[], requestId: string) => {
  const done = events.find((event) => event.type === "done" && event.requestId === requestId)
  return done?.type === "done" ? done.usage : undefined
}

describe("EngineCore: answers", () => {
  test("are those that each request has alone, whatever shares its steps and its slot's past", () => {
    const model = createFakeModel({ numSlots: 3, capacity: 300, maxRows: 40 })
    const core = coreWith(model)
    const events: EngineEvent[] = []
    const prompts = Array.from({ length: 60 }, (_, i) => [
      ...range(0, [0, 20, 90, 150][i % 4]!),
      ...range(i % 7, 1 + (i % 7) + ((i * 5) % 30)),
    ])
    prompts.forEach((prompt, i) => {
      events.push(...core.submit(requestOf(`r${i}`, prompt, { maxTokens: 1 + (i % 9) })))
      // Some arrive together, some while others run.
      for (let k = 0; k < i % 3; k++) {
        const step = core.step()
        if (step?.type === "done") events.push(...step.events)
      }
    })
    events.push(...runAll(core))
    prompts.forEach((prompt, i) => expect(tokensOf(events, `r${i}`), `r${i}`).toEqual(answerTo(prompt, 1 + (i % 9))))
    expect(model.numCopied).toBeGreaterThan(0)
    expect([core.numRunning, core.numWaiting]).toEqual([0, 0])
  })

  test("begin with one `started` and end with one `done`", () => {
    const core = coreWith(createFakeModel())
    core.submit(requestOf("a", range(0, 30), { maxTokens: 3 }))
    expect(runAll(core).map(({ type }) => type)).toEqual(["started", "tokens", "tokens", "tokens", "done"])
  })

  test("go on where an earlier engine stopped", () => {
    const prompt = range(0, 30)
    const whole = answerTo(prompt, 8)
    const core = coreWith(createFakeModel())
    core.submit(requestOf("a", [...prompt, ...whole.slice(0, 5)], { resumeFrom: 5 }))
    const events = runAll(core)
    expect(tokensOf(events, "a")).toEqual(whole.slice(5))
    expect(usageOf(events, "a")).toMatchObject({ promptTokens: 30, generatedTokens: 8 })
  })
})

describe("EngineCore: steps", () => {
  test("one that fails has changed nothing: run again, it gives what it would have given", () => {
    const model = createFakeModel()
    const core = coreWith(model)
    core.submit(requestOf("a", range(0, 300), { maxTokens: 5 }))
    core.submit(requestOf("b", range(50, 60), { maxTokens: 5 }))
    const events: EngineEvent[] = []
    for (let k = 0; ; k++) {
      if (k % 3 !== 0) {
        model.failNext(1)
        const { numRows } = model
        expect(core.step()?.type ?? "idle").toBe(core.numRunning > 0 ? "fault" : "idle")
        expect(model.numRows).toBe(numRows)
        model.failNext(0)
      }
      const step = core.step()
      if (step === undefined) break
      if (step.type === "done") events.push(...step.events)
    }
    expect(tokensOf(events, "a")).toEqual(answerTo(range(0, 300), 5))
    expect(tokensOf(events, "b")).toEqual(answerTo(range(50, 60), 5))
  })

  test("use one batch, again and again", () => {
    const model = createFakeModel()
    const batches = new Set<unknown>()
    const core = coreWith({
      ...model,
      run(batch) {
        batches.add(batch).add(batch.slots).add(batch.ids)
        for (const slot of batch.slots) batches.add(slot)
        model.run(batch)
      },
    })
    for (let i = 0; i < 4; i++) core.submit(requestOf(`r${i}`, range(i, i + 10), { maxTokens: 50 }))
    runAll(core)
    expect(batches.size).toBe(3 + 4)
  })

  test("a cancelled request is gone from the next one, and its slot with it", () => {
    const model = createFakeModel({ numSlots: 2 })
    const core = coreWith(model)
    for (const id of ["a", "b", "c"]) core.submit(requestOf(id, range(0, 10), { maxTokens: 100 }))
    core.step()
    expect([core.numRunning, core.numWaiting]).toEqual([2, 1])
    core.cancel("a")
    core.cancel("unknown")
    core.step()
    expect([core.numRunning, core.numWaiting]).toEqual([2, 0])
    core.cancel("b")
    core.cancel("c")
    expect(core.step()).toBeUndefined()
  })
})

describe("EngineCore: a long prompt", () => {
  test("does not stall those who decode: each has its token in every step", () => {
    const model = createFakeModel({ numSlots: 4, capacity: 9000, maxRows: 512 })
    const core = coreWith(model)
    for (const id of ["a", "b"]) core.submit(requestOf(id, range(0, 10), { maxTokens: 200 }))
    core.step()
    core.submit(requestOf("long", range(5, 8000), { maxTokens: 2 }))
    for (let step = 0; step < 10; step++) {
      const done = core.step()
      if (done?.type !== "done") throw new Error("no step")
      expect(tokensOf(done.events, "a").length).toBe(1)
      expect(tokensOf(done.events, "b").length).toBe(1)
      expect(done.numDecoding).toBe(2)
      expect(done.numRows).toBeLessThanOrEqual(512)
    }
  })

  test("comes in smaller pieces where they take long, in larger ones where they do not", () => {
    const rowsOf = (msPerRow: number): number[] => {
      const clock = { ms: 0 }
      const model = createFakeModel({ numSlots: 2, capacity: 8000, maxRows: 512 })
      const core = coreWith(
        {
          ...model,
          run(batch) {
            clock.ms += batch.numRows * msPerRow
            model.run(batch)
          },
        },
        clock,
      )
      core.submit(requestOf("a", range(0, 10), { maxTokens: 1000 }))
      core.step()
      core.submit(requestOf("long", range(5, 6000), { maxTokens: 2 }))
      return Array.from({ length: 8 }, () => {
        const done = core.step()
        return done?.type === "done" ? done.numRows - done.numDecoding : 0
      })
    }
    expect(rowsOf(0.05).at(-1)).toBe(511)
    expect(rowsOf(0.2).at(-1)).toBeLessThanOrEqual(250)
    expect(rowsOf(0.2).at(-1)).toBeGreaterThan(220)
    expect(rowsOf(5).at(-1)).toBe(128)
  })

  test("lets short ones pass", () => {
    const core = coreWith(createFakeModel({ numSlots: 4, capacity: 4000, maxRows: 128 }))
    core.submit(requestOf("long", range(5, 3000), { maxTokens: 2 }))
    core.step()
    core.submit(requestOf("short", range(0, 40), { maxTokens: 2 }))
    const done = core.step()
    expect(done?.type === "done" && tokensOf(done.events, "short").length).toBe(1)
  })
})

describe("EngineCore: prompts that begin alike", () => {
  const system = range(0, 200)
  const own = (i: number): number[] => range(i * 3, i * 3 + 10)

  test("are computed once, though they come at the same moment and every slot is in use", () => {
    const model = createFakeModel({ numSlots: 4, capacity: 400, maxRows: 64 })
    const core = coreWith(model)
    for (let i = 0; i < 8; i++) core.submit(requestOf(`r${i}`, [...system, ...own(i)], { maxTokens: 4 }))
    const events = runAll(core)
    for (let i = 0; i < 8; i++) expect(tokensOf(events, `r${i}`)).toEqual(answerTo([...system, ...own(i)], 4))
    expect(usageOf(events, "r0")?.cachedTokens).toBe(0)
    for (let i = 1; i < 8; i++) expect(usageOf(events, `r${i}`)?.cachedTokens).toBeGreaterThanOrEqual(200)
    // The system prompt, and of each its own words and the answer but for its last token.
    expect(model.numRows).toBeLessThanOrEqual(200 + 8 * (10 + 3))
  })

  test("are copied a few at a time: no step waits for more than one long copy", () => {
    const model = createFakeModel({ numSlots: 8, capacity: 4000, maxRows: 512 })
    const core = coreWith(model)
    const long = range(0, 3000)
    for (let i = 0; i < 8; i++) core.submit(requestOf(`r${i}`, [...long, ...own(i)], { maxTokens: 30 }))
    let before = 0
    for (let step = core.step(); step !== undefined; step = core.step()) {
      expect(model.numCopied - before).toBeLessThanOrEqual(3000)
      before = model.numCopied
    }
    expect(before).toBe(7 * 3000)
  })

  test("who waits for another's prompt goes on when that one is cancelled", () => {
    const core = coreWith(createFakeModel({ numSlots: 2, capacity: 400, maxRows: 64 }))
    core.submit(requestOf("first", [...system, ...own(1)]))
    core.submit(requestOf("second", [...system, ...own(2)]))
    core.step()
    expect([core.numRunning, core.numWaiting]).toEqual([1, 1])
    core.cancel("first")
    expect(tokensOf(runAll(core), "second")).toEqual(answerTo([...system, ...own(2)], 8))
  })

  test("who waits lets others pass, but not into the last free slot", () => {
    const core = coreWith(createFakeModel({ numSlots: 3, capacity: 400, maxRows: 64 }))
    core.submit(requestOf("first", [...system, ...own(1)]))
    core.submit(requestOf("second", [...system, ...own(2)]))
    core.submit(requestOf("third", own(3)))
    core.submit(requestOf("fourth", own(4)))
    core.step()
    // First and third run; the slot that is left is second's.
    expect([core.numRunning, core.numWaiting]).toEqual([2, 2])
  })

  test("a trace computes every position, and waits for nobody", () => {
    const core = coreWith(createFakeModel({ numSlots: 3, capacity: 400, maxRows: 64 }))
    core.submit(requestOf("first", [...system, ...own(1)]))
    core.submit(requestOf("traced", [...system, ...own(2)], { trace: true }))
    core.step()
    expect(core.numRunning).toBe(2)
    expect(usageOf(runAll(core), "traced")?.cachedTokens).toBe(0)
  })
})

describe("EngineCore: what is remembered", () => {
  /** Runs requests one after the other; returns how much of each was cached. */
  const cachedOf = (core: EngineCore, prompts: readonly (readonly number[])[]): number[] =>
    prompts.map((prompt, i) => {
      core.submit(requestOf(`r${i}`, prompt, { maxTokens: 2 }))
      return usageOf(runAll(core), `r${i}`)!.cachedTokens
    })
  /** Prompts that share nothing with each other. */
  const stranger = (i: number): number[] => Array.from({ length: 60 }, (_, k) => (i * 37 + k * k * 11) % 97)

  test("a system prompt that is used now and then outlives many prompts of other kinds", () => {
    const system = range(0, 300)
    const prompts = Array.from({ length: 200 }, (_, i) => (i % 10 === 0 ? [...system, i % 97, 5, 7] : stranger(i)))
    const cached = cachedOf(coreWith(createFakeModel({ numSlots: 4 })), prompts)
    const ofSystem = cached.filter((_, i) => i % 10 === 0)
    expect(ofSystem[0]).toBe(0)
    expect(ofSystem.slice(1).every((count) => count >= 300)).toBe(true)
  })

  test("one that is used no more gives way", () => {
    const prompts = [...Array.from({ length: 5 }, (_, i) => [...range(0, 300), i, 5, 7]), ...range(0, 60).map(stranger)]
    const core = coreWith(createFakeModel({ numSlots: 2 }))
    cachedOf(core, prompts)
    expect(cachedOf(core, [stranger(59), stranger(58)]).every((count) => count >= 59)).toBe(true)
  })

  test("conversations in turn each find their own past", () => {
    const core = coreWith(createFakeModel({ numSlots: 4 }))
    const pasts = [0, 1, 2].map((i) => stranger(i))
    for (let turn = 0; turn < 5; turn++) {
      pasts.forEach((past, i) => {
        const [cached] = cachedOf(core, [past])
        if (turn > 0) expect(cached, `conversation ${i}, turn ${turn}`).toBeGreaterThanOrEqual(past.length - 12)
        past.push(...answerTo(past, 2), ...range(turn, turn + 10))
      })
    }
  })
})
