/** Runs that wait for a person. */
import { describe, expect } from "bun:test"
import { itEffect } from "@consilium/testing/effect"
import { Cause, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { type AgentModel, type AgentTool, resumeAgent, runAgent } from "../src/index.ts"
import { agentOf, ask } from "./agentOf.ts"

/** A model that thinks for three seconds, calls `book` first and then answers. */
const slowModel: AgentModel = {
  id: "slow",
  contextLength: 4096,
  countTokens: (text) => text.length,
  answer: ({ messages }) =>
    Effect.gen(function* () {
      yield* Effect.sleep("3 seconds")
      const isFirst = messages.at(-1)!.role === "user"
      return {
        text: isFirst ? "" : "Booked.",
        calls: isFirst ? [{ id: "a", name: "book", arguments: "{}" }] : [],
        reason: "stop",
        usage: { promptTokens: 1, generatedTokens: 1, costUsd: 0 },
        expert: undefined,
      } as const
    }),
}
const book: AgentTool = {
  name: "book",
  description: "Books.",
  parameters: { type: "object" },
  changes: true,
  run: async () => ({ text: "done" }),
}
const agentFor = (maxMs: number) => agentOf({ model: slowModel, tools: [book], limits: { maxMs } })

/** Runs an effect while its clock goes on. */
const passing = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const running = yield* Effect.forkChild(effect)
    yield* TestClock.adjust("10 seconds")
    return yield* Fiber.join(running)
  })

const waitingRun = (maxMs: number) =>
  Effect.map(passing(runAgent(agentFor(maxMs), ask("Book."), () => {})), ({ waiting }) => waiting!)

describe("a run that waits for a person", () => {
  itEffect("does not count how long it waits", () =>
    Effect.gen(function* () {
      const waiting = yield* waitingRun(7000)
      expect(waiting.spentMs).toBe(3000)
      yield* TestClock.adjust("1 hour")
      const { ended } = yield* passing(resumeAgent(agentFor(7000), waiting, { a: true }, () => {}))
      expect(ended).toMatchObject({ end: "answered", text: "Booked.", ms: 6000, numSteps: 2 })
    }),
  )

  itEffect("has the time that it has left", () =>
    Effect.gen(function* () {
      const waiting = yield* waitingRun(5000)
      const { ended } = yield* passing(resumeAgent(agentFor(5000), waiting, { a: true }, () => {}))
      expect(ended).toMatchObject({ end: "time", ms: 5000, numSteps: 1 })
    }),
  )

  itEffect("is no other agent's", () =>
    Effect.gen(function* () {
      const waiting = { ...(yield* waitingRun(5000)), agent: "other" }
      const exit = yield* Effect.exit(resumeAgent(agentFor(5000), waiting, {}, () => {}))
      const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
      expect(String(error)).toBe("Error: run r: expected one of agent desk, found one of other")
    }),
  )
})
