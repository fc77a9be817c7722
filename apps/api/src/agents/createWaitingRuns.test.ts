import { expect, test } from "bun:test"
import type { RunState } from "@consilium/agent"
import { createWaitingRuns } from "./createWaitingRuns.ts"

const runOf = (runId: string, key = "k", agent = "desk") => ({
  state: { runId, agent } as RunState,
  caller: { key, domain: "" },
  isStream: false,
})

test("createWaitingRuns: a run is handed out once", () => {
  const runs = createWaitingRuns(() => 0)
  const kept = runOf("r")
  runs.keep(kept)
  expect(runs.take("r", "desk", "k")).toBe(kept)
  expect(runs.take("r", "desk", "k")).toBeUndefined()
})

test("createWaitingRuns: another key, or another agent's, neither gets a run nor takes it away", () => {
  const runs = createWaitingRuns(() => 0)
  runs.keep(runOf("r"))
  expect(runs.take("r", "desk", "other")).toBeUndefined()
  expect(runs.take("r", "till", "k")).toBeUndefined()
  expect(runs.take("r", "desk", "k")).toBeDefined()
})

test("createWaitingRuns: a person has a quarter of an hour, anew each time", () => {
  let nowMs = 0
  const runs = createWaitingRuns(() => nowMs)
  runs.keep(runOf("a"))
  runs.keep(runOf("b"))
  nowMs = 15 * 60_000 - 1
  runs.keep(runs.take("a", "desk", "k")!)
  nowMs = 15 * 60_000
  expect(runs.take("b", "desk", "k")).toBeUndefined()
  nowMs += 15 * 60_000 - 2
  expect(runs.take("a", "desk", "k")).toBeDefined()
})

test("createWaitingRuns: at most a thousand wait, the oldest goes first", () => {
  const runs = createWaitingRuns(() => 0)
  for (let i = 0; i <= 1000; i++) runs.keep(runOf(`r${i}`))
  expect(runs.take("r0", "desk", "k")).toBeUndefined()
  expect(runs.take("r1", "desk", "k")).toBeDefined()
  expect(runs.take("r1000", "desk", "k")).toBeDefined()
})
