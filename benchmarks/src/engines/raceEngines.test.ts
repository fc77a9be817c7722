import { expect, test } from "bun:test"
import { raceEngines } from "./raceEngines.ts"
import type { TimedEngine } from "./TimedEngine.ts"

/** An engine that writes down what it is asked, and takes `ms` for everything. */
function createFake(name: string, ms: number, log: string[]): TimedEngine {
  return {
    begin: async (numStreams, promptLength) => {
      log.push(`${name} begins ${numStreams} of ${promptLength}`)
      return { prefillMs: 10 * ms, firstStepMs: ms }
    },
    step: async (numSteps) => {
      log.push(`${name} ${numSteps}`)
      return { ms: Array.from({ length: numSteps }, () => ms) }
    },
    memory: async () => ({ residentBytes: 0, weightBytes: 0 }),
  }
}

const WORK = { numStreams: 4, promptLength: 8, numSteps: 40, signal: new AbortController().signal }

test("raceEngines: engines take turns within a round, and the second round goes in reverse", async () => {
  const log: string[] = []
  const engines = new Map([
    ["a", createFake("a", 1, log)],
    ["b", createFake("b", 2, log)],
  ])
  await raceEngines(engines, { ...WORK, numRounds: 2 })
  const round = (first: string, second: string): string[] => [
    `${first} begins 4 of 8`,
    `${second} begins 4 of 8`,
    `${first} 32`,
    `${second} 32`,
    `${first} 8`,
    `${second} 8`,
  ]
  expect(log).toEqual([...round("a", "b"), ...round("b", "a")])
})

test("raceEngines: samples are each engine's own, one a prompt and one a step", async () => {
  const engines = new Map([
    ["a", createFake("a", 1, [])],
    ["b", createFake("b", 2, [])],
  ])
  const samples = await raceEngines(engines, { ...WORK, numRounds: 3 })
  expect(samples.get("b")).toEqual({
    prefillMs: [20, 20, 20],
    firstTokenMs: [22, 22, 22],
    stepMs: Array.from({ length: 120 }, () => 2),
    weightBytes: [],
    tokensPerExpert: undefined,
  })
  expect(samples.get("a")!.stepMs[0]).toBe(1)
})

test("raceEngines: stops at the next turn when it is aborted", async () => {
  const log: string[] = []
  const stop = new AbortController()
  const fake = createFake("a", 1, log)
  const engines = new Map([
    ["a", { ...fake, step: async (n: number) => (stop.abort(new Error("enough")), fake.step(n)) }],
  ])
  const race = raceEngines(engines, { ...WORK, numRounds: 2, signal: stop.signal })
  await expect(race).rejects.toThrow("enough")
  expect(log).toEqual(["a begins 4 of 8", "a 32"])
})
