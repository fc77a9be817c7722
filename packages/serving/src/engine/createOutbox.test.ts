import { describe, expect, test } from "bun:test"
import type { EngineEvent } from "../protocol.ts"
import { createOutbox } from "./createOutbox.ts"

const tokens = (requestId: string, ...ids: number[]): EngineEvent => ({
  type: "tokens",
  requestId,
  tokens: ids.map((id) => ({ id })),
})
const started = (requestId: string): EngineEvent => ({
  type: "started",
  requestId,
  cachedTokens: 0,
  queueMs: 0,
  prefillMs: 0,
})

/** Puts steps of `stepMs` each; returns how many had ended at each message, and all messages. */
function drive(stepMs: number, steps: readonly (readonly EngineEvent[])[]) {
  let now = 0
  const messages: EngineEvent[][] = []
  const sentAfter: number[] = []
  const outbox = createOutbox(
    (events) => void messages.push([...events]),
    () => now,
  )
  steps.forEach((events, i) => {
    now += stepMs
    const before = messages.length
    outbox.put(events, stepMs)
    if (messages.length > before) sentAfter.push(i + 1)
  })
  return { messages, sentAfter, outbox }
}

describe("createOutbox", () => {
  test("short steps share a message every 10 ms, in which a request's tokens are joined, in order", () => {
    const { messages, sentAfter } = drive(
      1,
      Array.from({ length: 25 }, (_, i) => [tokens("a", i), tokens("b", 100 + i)]),
    )
    expect(sentAfter).toEqual([1, 10, 19])
    expect(messages[1]).toEqual([tokens("a", 1, 2, 3, 4, 5, 6, 7, 8, 9), tokens("b", ...range(101, 110))])
  })

  test("a step that takes half of that or more has a message of its own", () => {
    const steps = Array.from({ length: 5 }, (_, i) => [tokens("a", i)])
    expect(drive(5, steps).sentAfter).toEqual([1, 2, 3, 4, 5])
    expect(drive(80, steps).sentAfter).toEqual([1, 2, 3, 4, 5])
  })

  test("a first token and an end never wait, and take along what was kept", () => {
    const done: EngineEvent = {
      type: "done",
      requestId: "a",
      reason: "stop",
      usage: { promptTokens: 1, generatedTokens: 3, cachedTokens: 0, queueMs: 0, prefillMs: 0, decodeMs: 0 },
      degraded: [],
    }
    const { messages, sentAfter } = drive(0.1, [
      [tokens("a", 1)],
      [tokens("a", 2)],
      [started("b"), tokens("b", 7)],
      [tokens("a", 3), done],
      [tokens("b", 8)],
    ])
    expect(sentAfter).toEqual([1, 3, 4])
    expect(messages[1]).toEqual([tokens("a", 2), started("b"), tokens("b", 7)])
    expect(messages[2]).toEqual([tokens("a", 3), done])
  })

  test("a trace stays with its token", () => {
    const traced = { ...tokens("a", 2), trace: { firstPosition: 4, layers: [] } } as EngineEvent
    const { messages, outbox } = drive(0.1, [[tokens("b", 0)], [tokens("a", 1)], [traced], [tokens("a", 3)]])
    outbox.flush()
    outbox.flush()
    expect(messages.slice(1)).toEqual([[tokens("a", 1), traced, tokens("a", 3)]])
  })
})

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i)
}
