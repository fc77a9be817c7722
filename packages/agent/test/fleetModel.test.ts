/** A fleet as an agent's model. */
import { describe, expect } from "bun:test"
import { Fleet, parseFleet } from "@consilium/fleet"
import { itEffect } from "@consilium/testing/effect"
import { startFakePeer } from "@consilium/testing/peer"
import { Context, Effect, Layer } from "effect"
import { createFleetModel, runAgent } from "../src/index.ts"
import { agentOf, ask } from "./agentOf.ts"
import { createTrace } from "./createTrace.ts"

const acquirePeer = Effect.acquireRelease(
  Effect.sync(() => startFakePeer()),
  (peer) => Effect.sync(() => peer.stop()),
)

/** A fleet of two endpoints, the first of which is named. */
const openModel = (urls: readonly [string, string], isStream = true) =>
  Effect.gen(function* () {
    const expert = (url: string) => ({ kind: "remote", url, model: "m", price: { input: 10_000, output: 10_000 } })
    const table = { experts: { first: { ...expert(urls[0]), standby: "second" }, second: expert(urls[1]) } }
    const config = parseFleet(table, "test")
    const layer = Fleet.layer({ config, locals: [], memoryBytes: 0, keys: {} })
    const fleet = Context.get(yield* Layer.build(layer), Fleet)
    const target = { kind: "expert", name: "first" } as const
    return createFleetModel(fleet, { id: "first", target, purse: undefined, isStream, contextLength: 4096 })
  })

describe("a fleet as an agent's model", () => {
  itEffect(
    "says who answered, and what it cost",
    () =>
      Effect.gen(function* () {
        const peer = yield* acquirePeer
        const model = yield* openModel([peer.url, peer.url])
        const experts: (string | undefined)[] = []
        const { ended } = yield* runAgent(agentOf({ model }), ask("Hi"), (event) => {
          if (event.type === "step") experts.push(event.expert)
        })
        expect(ended).toMatchObject({
          end: "answered",
          text: "Hello there",
          usage: { promptTokens: 7, generatedTokens: 2 },
        })
        expect(ended.usage.costUsd).toBeCloseTo(0.09, 9)
        expect(experts).toEqual(["first"])
      }),
    { live: true },
  )

  itEffect(
    "falls back where an expert fails",
    () =>
      Effect.gen(function* () {
        const broken = yield* acquirePeer
        broken.does({ kind: "cut", pieces: ["Hel"] })
        const standby = yield* acquirePeer
        const model = yield* openModel([broken.url, standby.url], false)
        const trace = createTrace()
        yield* runAgent(agentOf({ model }), ask("Hi"), trace.hear)
        expect(trace.lines).toEqual(["answered: Hello there"])
      }),
    { live: true },
  )

  itEffect(
    "ends by cost where nobody answers for what a run has left",
    () =>
      Effect.gen(function* () {
        const peer = yield* acquirePeer
        const agent = agentOf({ model: yield* openModel([peer.url, peer.url]), limits: { maxCostUsd: 0.001 } })
        const { ended } = yield* runAgent(agent, ask("Hi"), () => {})
        expect(ended).toMatchObject({ end: "cost", text: "" })
        expect(peer.requests).toEqual([])
      }),
    { live: true },
  )

  itEffect(
    "passes on why nobody answered",
    () =>
      Effect.gen(function* () {
        const peer = yield* acquirePeer
        peer.does({ kind: "status", status: 500 })
        const model = yield* openModel([peer.url, peer.url])
        const error = yield* Effect.flip(runAgent(agentOf({ model }), ask("Hi"), () => {}))
        expect(error.cause).toMatchObject({ _tag: "FleetError", code: "all-failed" })
      }),
    { live: true },
  )
})
