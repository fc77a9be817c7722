/** Every case, end to end and short: engines, router, agent, tools, documents, the dense model, table and chart. */
import { describe, expect, test } from "bun:test"
import { CASES } from "./cases.ts"
import { describeCase } from "./report/describeCase.ts"
import { drawCase } from "./report/drawCase.ts"
import { figuresOf, resolvedPercent } from "./report/figuresOf.ts"
import { measurementsOf } from "./report/measurementsOf.ts"
import { type CaseEffort, runCase } from "./runCase.ts"

const SHORT: CaseEffort = { numTokens: 8, boundMs: 60_000, numTimed: 3, mostStreams: 2, rounds: 1, numBurst: 8 }

describe.each(CASES.map((one) => [one.name, one] as const))("%s", (name, one) => {
  test("runs from its first engine to its table and chart, and resolves more than the model alone", async () => {
    const result = await runCase(one, SHORT, () => {})
    const { questions, before, after, burst } = result

    expect(resolvedPercent(questions, "after")).toBeGreaterThan(resolvedPercent(questions, "before"))
    expect(Math.abs(before.numParameters / after.numParameters - 1)).toBeLessThan(0.005)
    expect(after.numActiveParameters).toBeLessThan(after.numParameters / 3)
    for (const { question, after: answer } of questions) {
      // Whatever the model says: these are rules' and rights' matter.
      if (["emergency", "person", "refusal"].includes(question.due))
        expect([question.ask, answer.isResolved]).toEqual([question.ask, true])
      if (name === "hospital" && answer.by !== "rule")
        expect(answer.text).toStartWith("If this is an emergency, call 112")
    }
    expect(burst === undefined).toBe(one.calendar === undefined)
    if (burst !== undefined) expect(burst.woken.length).toBeGreaterThan(0)

    const table = describeCase(result)
    expect(table.split("\n").find((line) => line.startsWith("| "))).toContain("claimed elsewhere")
    for (const figure of figuresOf(result)) expect(table).toContain(figure.name)
    expect(table).toContain("random weights")
    expectWellFormed(drawCase(result))
    const measurements = measurementsOf(result)
    const keys = measurements.map(({ name: what, contender }) => `${what} ${contender}`)
    expect(new Set(keys).size).toBe(measurements.length)
    expect(measurements.every(({ samples }) => samples.length > 0 && samples.every(Number.isFinite))).toBe(true)
  }, 120_000)
})

/** Every tag that opens closes, in order. */
function expectWellFormed(svg: string): void {
  const open: string[] = []
  for (const [, slash, tag, isEmpty] of svg.matchAll(/<(\/?)([a-z]+)[^>]*?(\/?)>/g)) {
    if (slash === "/") expect(open.pop()).toBe(tag!)
    else if (isEmpty !== "/") open.push(tag!)
  }
  expect(open).toEqual([])
  expect(svg).toStartWith("<svg ")
  expect(svg).not.toMatch(/NaN|undefined/)
}
