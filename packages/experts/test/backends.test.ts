/** The layer on every backend and format against the plain loop, over one table of cases. */
import { describe, expect, test } from "bun:test"
import { createRouteScratch, createRouting, type Routing, route } from "@consilium/gating"
import { matmul } from "@consilium/tensor"
import { expectClose, maxError } from "@consilium/testing"
import { moeLayer } from "../src/index.ts"
import { CASES, type MoeCase } from "./cases.ts"
import { BACKENDS, openMoeCase, type OpenCase, runPlain, withBackend } from "./openMoeCase.ts"

/** Largest error over the largest output. Quantised products round their input rows to 8 bits too. */
const TOLERANCE = { f32: 1e-5, int8: 0.03, int4: 0.03 } as const

const caseNamed = (name: string): MoeCase => CASES.find((given) => given.name === name)!

function run(given: MoeCase, { out, hidden, layer, scratch, routing }: OpenCase): Routing {
  return moeLayer(out, hidden, given.numTokens, layer, scratch, routing === undefined ? {} : { routing })
}

/** Routes by plain loops over the f32 router. */
function routePlain({ numTokens, hiddenSize, topK }: MoeCase, { hidden, routerWeight, layer }: OpenCase): Routing {
  const { numExperts, router } = layer.config
  const logits = new Float32Array(numTokens * numExperts)
  matmul(logits, hidden.values, routerWeight, numTokens, numExperts, hiddenSize)
  return route(createRouting(numTokens, topK), logits, numTokens, router, createRouteScratch(numExperts))
}

for (const name of BACKENDS) {
  describe(`moeLayer on ${name}`, () => {
    for (const format of ["f32", "int8", "int4"] as const) {
      for (const given of CASES) {
        test(`${format}, ${given.name}: the plain loop's output`, () =>
          withBackend(name, (backend) => {
            const open = openMoeCase(given, backend, format)
            const routing = run(given, open)
            const expected = runPlain(given, open, routing)
            const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1)
            expectClose(open.out.values, expected, TOLERANCE[format] * largest)
          }))
      }
    }

    test("routes as plain loops over the router do, and leaves logits and routing in scratch", () =>
      withBackend(name, (backend) => {
        const given = caseNamed("odd sizes")
        const open = openMoeCase(given, backend)
        const routing = run(given, open)
        const plain = routePlain(given, open)
        expect(routing).toBe(open.scratch.routing)
        expect(routing.expertIds).toEqual(plain.expertIds)
        expectClose(routing.weights, plain.weights, 1e-6)
        expect(maxError(open.scratch.logits.values.subarray(0, 7), new Float32Array(7))).toBeGreaterThan(0.1)
      }))

    test("a masked expert is a model without it", () =>
      withBackend(name, (backend) => {
        const given = { ...caseNamed("a gated shared expert"), numTokens: 30 }
        const whole = openMoeCase(given, backend)
        const availability = Uint8Array.of(1, 1, 0, 1, 1, 1)
        const routed = moeLayer(whole.out, whole.hidden, 30, whole.layer, whole.scratch, { availability })
        expect(routed.expertIds).not.toContain(2)

        const without = openMoeCase(given, backend, "f32", [0, 1, 3, 4, 5])
        run(given, without)
        expectClose(whole.out.values, without.out.values, 1e-6)
        run(given, whole)
        expect(maxError(whole.out.values, without.out.values)).toBeGreaterThan(0.01)
      }))

    test("with no expert available, the shared expert alone answers", () =>
      withBackend(name, (backend) => {
        const given = caseNamed("a shared expert")
        const { out, hidden, layer, scratch, ...open } = openMoeCase(given, backend)
        const routing = moeLayer(out, hidden, 6, layer, scratch, { availability: new Uint8Array(6) })
        expect(scratch.plan.numDropped).toBe(12)
        expectClose(out.values, runPlain(given, { out, hidden, layer, scratch, ...open }, routing), 1e-5)
      }))

    test("a token's output ignores its batch neighbours, and a smaller batch leaves no trace of a larger one", () =>
      withBackend(name, (backend) => {
        for (const format of ["f32", "int8"] as const) {
          const given = caseNamed("a gated shared expert")
          const { out, hidden, layer, scratch } = openMoeCase(given, backend, format)
          const { numTokens, hiddenSize } = given
          moeLayer(out, hidden, numTokens, layer, scratch)
          const together = out.values.slice()
          const rows = hidden.values.slice()
          for (let t = 0; t < numTokens; t++) {
            hidden.values.set(rows.subarray(t * hiddenSize, (t + 1) * hiddenSize))
            moeLayer(out, hidden, 1, layer, scratch)
            const alone = out.values.subarray(0, hiddenSize)
            expectClose(alone, together.subarray(t * hiddenSize, (t + 1) * hiddenSize), name === "reference" ? 0 : 1e-5)
          }
        }
      }))
  })
}
