/** A scripted remote model drives runs from end to end, over real sockets. */
import { describe, expect, test } from "bun:test"
import { Effect, Fiber, Result } from "effect"
import { TestClock } from "effect/testing"
import { type AgentEvent, resumeAgent, runAgent, type RunState } from "../src/index.ts"
import { agentOf, ask } from "./agentOf.ts"
import { createScenarioTools } from "./scenarioTools.ts"
import { CONFIRMATIONS } from "./scenarios/confirmations.ts"
import { FAILURES } from "./scenarios/failures.ts"
import { INJECTIONS } from "./scenarios/injections.ts"
import { LIMITS } from "./scenarios/limits.ts"
import { MALFORMED_CALLS } from "./scenarios/malformedCalls.ts"
import { PLAIN_RUNS } from "./scenarios/plainRuns.ts"
import type { Scenario } from "./scenarios/Scenario.ts"
import { startScriptedModel } from "./scriptedModel.ts"
import { createTrace } from "./createTrace.ts"

const SCENARIOS = [...PLAIN_RUNS, ...MALFORMED_CALLS, ...FAILURES, ...INJECTIONS, ...LIMITS, ...CONFIRMATIONS]

/** Runs a scenario to its end, through every decision; returns its trace, which tools ran, and the prompts. */
async function play({ script, limits = {}, config = {}, confirmed = [], decisions = [] }: Scenario) {
  const trace = createTrace()
  // Time stands still until somebody is silent for ever: how fast this machine is does not matter.
  let isSilent = false
  const { tools, runs } = createScenarioTools(() => (isSilent = true))
  const silence = script.find((turn) => typeof turn === "object" && "hangs" in turn)?.hangs
  let said = ""
  const hear = (event: AgentEvent): void => {
    if (event.type === "text") said += event.text
    if (said === silence) isSilent = true
    trace.hear(event)
  }
  const peer = startScriptedModel(script, (body) => trace.add(body.tools === undefined ? "ask without tools" : "ask"))
  const allowed = tools.map(({ name }) => name).filter((name) => name !== "delete_all")
  const agent = agentOf({ model: peer.model, tools, config: { tools: allowed, ...config }, limits })
  const running = Effect.gen(function* () {
    let outcome = yield* runAgent(agent, { ...ask("Go."), confirmed }, hear)
    for (const decided of decisions) {
      // As it comes back from wherever it was kept.
      const state = JSON.parse(JSON.stringify(outcome.waiting)) as RunState
      const byCall = state.calls
        .filter(({ tool }) => tool in decided)
        .map(({ callId, tool }) => [callId, decided[tool]!])
      outcome = yield* resumeAgent(agent, state, Object.fromEntries(byCall), hear)
    }
  })
  const timed = whileTimePasses(Effect.result(running), () => isSilent)
  const result = await Effect.runPromise(Effect.provide(timed, TestClock.layer()))
  if (Result.isFailure(result)) trace.add(`failed: ${result.failure.message}`)
  peer.stop()
  return { trace: trace.lines, runs, requests: peer.requests }
}

/** Runs an effect whose clock goes on while `passes` says so, whenever sockets have had their turn. */
const whileTimePasses = <A>(effect: Effect.Effect<A>, passes: () => boolean): Effect.Effect<A> =>
  Effect.gen(function* () {
    const running = yield* Effect.forkChild(effect)
    while (running.pollUnsafe() === undefined) {
      yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 1)))
      if (passes()) yield* TestClock.adjust("1 second")
    }
    return yield* Fiber.join(running)
  })

/** An expected line may leave its end open: `done tool: …`. */
function fill(expected: readonly string[], found: readonly string[]): readonly string[] {
  return expected.map((line, place) => {
    const isMet = line.endsWith(": …") && found[place]?.startsWith(line.slice(0, -1)) === true
    return isMet ? found[place]! : line
  })
}

describe("a run", () => {
  test.each(SCENARIOS.map((scenario) => [scenario.name, scenario] as const))("%s", async (_, scenario) => {
    const { trace, runs, requests } = await play(scenario)
    expect(trace).toEqual([...fill(scenario.trace, trace)])
    expect(runs).toEqual([...scenario.runs])
    const prompts = JSON.stringify(requests.map(({ messages }) => messages))
    for (const text of scenario.unseen ?? []) expect(prompts).not.toContain(JSON.stringify(text).slice(1, -1))
    for (const { messages } of requests) expect(messages.filter(({ role }) => role === "system")).toEqual([])
  })

  test("ends the model's work when its client leaves", async () => {
    const heard = Promise.withResolvers<void>()
    const peer = startScriptedModel([{ hangs: "The answer" }], () => {})
    const running = Effect.runFork(
      runAgent(agentOf({ model: peer.model }), ask("Go."), (event) => {
        if (event.type === "text") heard.resolve()
      }),
    )
    await heard.promise
    await Effect.runPromise(Fiber.interrupt(running))
    while (peer.numAbandoned() === 0) await new Promise((resolve) => setImmediate(resolve))
    peer.stop()
  })

  test("aborts a tool when its client leaves", async () => {
    const begun = Promise.withResolvers<AbortSignal>()
    const peer = startScriptedModel([{ calls: [["wait", "{}"]] }], () => {})
    const tool = {
      name: "wait",
      description: "Waits.",
      parameters: { type: "object" },
      changes: false,
      run: (_: unknown, { signal }: { readonly signal: AbortSignal }) => {
        begun.resolve(signal)
        return new Promise<never>(() => {})
      },
    }
    const events: string[] = []
    const agent = agentOf({ model: peer.model, tools: [tool] })
    const running = Effect.runFork(runAgent(agent, ask("Go."), ({ type }) => events.push(type)))
    const signal = await begun.promise
    await Effect.runPromise(Fiber.interrupt(running))
    expect(signal.aborted).toBe(true)
    expect(events).not.toContain("ended")
    peer.stop()
  })
})
