import { expect, test } from "bun:test"
import { requestOf } from "../../test/requestOf.ts"
import type { FleetRequest } from "../FleetRequest.ts"
import { complexityOf } from "./complexityOf.ts"
import type { FleetRouter } from "./createFleetRouter.ts"

const TEXT = "Why? How? Since when? For whom?"
const router: FleetRouter = {
  kind: "words",
  file: undefined,
  embeddingSize: undefined,
  numTaught: () => 0,
  chooser: { experts: [], score: () => new Float32Array(0) },
}

function valueOf(
  change: Partial<FleetRequest> = {},
  kind: "vote" | "synthesis" | "none" = "synthesis",
  rule?: string,
  own: FleetRouter = router,
): number | undefined {
  const consult = kind === "none" ? undefined : { kind, numExperts: 3, from: 0.6 }
  const base = { scores: Float32Array.of(0.9, 0.1), rules: [undefined, rule] }
  const routed = { text: TEXT, numImages: 0, hasTools: false }
  return complexityOf({ config: { consult, leastScore: 0.2 }, router: own }, requestOf(TEXT, change), routed, base)
    ?.value
}

test("complexityOf: what can be counted says it, and a cost-quality router where there is one", () => {
  expect(valueOf()).toBeCloseTo(0.308)
  expect(valueOf({}, "synthesis", undefined, { ...router, gainRank: () => 0.9 })).toBe(0.9)
})

test.each<[string, Partial<FleetRequest>]>([
  ["names its expert", { target: { kind: "expert", name: "a" } }],
  ["asks for a share", { target: { kind: "share", share: 0.3 } }],
  ["asks for a consultation anyway", { consult: { kind: "vote", numExperts: 2 } }],
  ["wants one expert's answer", { consult: false }],
  ["has tools", { tools: [{ type: "function", function: { name: "f" } }] }],
  ["wants several choices", { numChoices: 2 }],
  ["wants log-probabilities", { numTopLogProbs: 0 }],
  ["wants a trace", { trace: true }],
])("complexityOf: nobody asks it of a request that %s", (_, change) => {
  expect(valueOf(change)).toBeUndefined()
})

test("complexityOf: nor where the settings do not ask, a rule holds, or a stream would wait for all", () => {
  expect(valueOf({}, "none")).toBeUndefined()
  expect(valueOf({}, "synthesis", 'the words "VaR"')).toBeUndefined()
  expect(valueOf({ isStream: true }, "vote")).toBeUndefined()
  expect(valueOf({ isStream: true }, "synthesis")).toBeDefined()
})
