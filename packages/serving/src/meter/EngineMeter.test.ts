import { expect, test } from "bun:test"
import { Effect } from "effect"
import type { EngineApi } from "../client/EngineApi.ts"
import type { CompletionRequest } from "../completion/Completion.ts"
import { createEngineMeters } from "./EngineMeter.ts"

/** Meters of an engine of two threads and two slots whose answers end when they are told to, by a clock that is set. */
function meteredEngine() {
  const clock = { nowMs: 0 }
  const ends: (() => void)[] = []
  const generate: EngineApi["generate"] = ({ requestId }, onEvent) =>
    Effect.callback((resume) => {
      onEvent({ type: "started", requestId, cachedTokens: 1, queueMs: 0, prefillMs: 0 })
      onEvent({ type: "tokens", requestId, tokens: [{ id: 1 }, { id: 2 }] })
      ends.push(() => resume(Effect.succeed({} as never)))
    })
  const begin = createEngineMeters({ numThreads: 2, numSlots: 2, expertBytesPerToken: 10 }, () => clock.nowMs)
  const run = (requestId: string) => {
    const meter = begin({ generate } as EngineApi, [{ requestId, numChoices: 1 } as CompletionRequest])
    const ended = Effect.runPromise(
      meter.engine.generate({ requestId: `${requestId}-0`, ids: [1, 2, 3] } as never, () => {}),
    )
    return { meter, ended }
  }
  return { clock, ends, run }
}

test("EngineMeter: answers that run at once share the engine's time, and each counts its own experts", async () => {
  const { clock, ends, run } = meteredEngine()
  const first = run("a")
  clock.nowMs = 10
  const second = run("b")
  clock.nowMs = 30
  for (const end of ends) end()
  await Promise.all([first.ended, second.ended])
  // Two of three prompt tokens were new, and of two that came one went in.
  expect(first.meter.use()).toEqual({ numTogether: 30 / 20, expertBytes: 30, cpuMs: 2 * (10 + 20 / 2) })
  expect(second.meter.use()).toEqual({ numTogether: 2, expertBytes: 30, cpuMs: 2 * (20 / 2) })
})

test("EngineMeter: what never began used nothing, alone", () => {
  const meter = createEngineMeters({ numThreads: 2, numSlots: 2, expertBytesPerToken: 10 })({} as EngineApi, [])
  expect(meter.use()).toEqual({ numTogether: 1, expertBytes: 0, cpuMs: 0 })
  expect(meter.tokens()).toEqual({ promptTokens: 0, cachedTokens: 0, generatedTokens: 0 })
})
