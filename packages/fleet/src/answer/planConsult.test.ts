import { expect, test } from "bun:test"
import type { ExpertPressure } from "../route/planRoute.ts"
import { planConsult } from "./planConsult.ts"

const FREE: ExpertPressure = { queueShare: 0, latencyMs: 0, costUsd: 1, unavailable: undefined }
const POLICY = { kind: "vote", numExperts: 3, from: 0.6 } as const

/** Of three experts that cost 1 dollar each. */
function planOf({
  value = 0.7,
  order = [0, 1, 2],
  leftUsd = Number.POSITIVE_INFINITY,
  policy = true,
  asked = undefined as boolean | undefined,
}) {
  const core = {
    members: [{}, {}, {}].map(() => ({ config: { role: undefined } })),
    generalist: -1,
    config: { consult: policy ? POLICY : undefined },
  }
  const plan = () => ({ order, adjusted: new Float32Array(3), pressures: [FREE, FREE, FREE] })
  const call = { complexity: value < 0 ? undefined : { value, why: "long" }, plan }
  const consult = asked ? ({ kind: "best-of", numExperts: 2 } as const) : asked
  return planConsult(core, call, { consult }, 0, { leftUsd })
}

test("planConsult: a complex request is consulted as the settings say, from their complexity on, and why is said", () => {
  const why = "consulted: complexity 0.60, from 0.6 on: long"
  expect(planOf({ value: 0.6 })).toEqual({ kind: "vote", numExperts: 3, why })
  expect(planOf({ value: 0.599 })).toBeUndefined()
  expect(planOf({ value: -1 })).toBeUndefined()
  expect(planOf({ policy: false })).toBeUndefined()
})

test("planConsult: one that asks for a consultation gets what it asked for", () => {
  const why = "consulted: it was asked for"
  expect(planOf({ asked: true, value: 0.9 })).toEqual({ kind: "best-of", numExperts: 2, why })
  expect(planOf({ asked: true, policy: false, order: [] })).toEqual({ kind: "best-of", numExperts: 2, why })
})

test("planConsult: one that wants one expert's answer gets it, however complex it is", () => {
  expect(planOf({ asked: false, value: 0.9 })).toBeUndefined()
})

test("planConsult: where fewer than two can be asked, or paid for beside who decides, one answers", () => {
  expect(planOf({ order: [2, 0] })).toBeDefined()
  expect(planOf({ order: [2] })).toBeUndefined()
  expect(planOf({ order: [] })).toBeUndefined()
  expect(planOf({ leftUsd: 3 })).toBeDefined()
  expect(planOf({ leftUsd: 2.9 })).toBeUndefined()
})
