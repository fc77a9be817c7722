import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import {
  type ExpertFault,
  type FailoverAttempt,
  type FailoverMeans,
  type FailoverRung,
  type FaultKind,
  planFailover,
} from "./index.ts"

const KINDS: readonly FaultKind[] = ["throw", "non-finite", "norm", "checksum", "deadline", "host"]
const EVERYTHING: FailoverMeans = {
  replicas: [0, 1],
  isFileReadable: true,
  backends: ["onnx"],
  numOthers: 7,
  topK: 2,
  hasSharedExpert: true,
  allowsDegraded: true,
}
const fault = (kind: FaultKind): ExpertFault => ({ kind, layer: 3, expertId: 5, replica: 0 })

/** The rungs that are climbed while the same fault comes again and again. */
function climbAll(kind: FaultKind, means: FailoverMeans): FailoverRung[] {
  const attempts: FailoverAttempt[] = []
  const rungs: FailoverRung[] = []
  for (;;) {
    const next = planFailover(fault(kind), means, attempts)
    rungs.push(next)
    if (next.rung === "fail" || next.rung === "accept") return rungs
    attempts.push({ rung: next, kind })
  }
}

const namesOf = (rungs: readonly FailoverRung[]): string[] => rungs.map(({ rung }) => rung)

describe("planFailover", () => {
  test("a throw climbs the whole ladder, one rung at a time", () => {
    expect(climbAll("throw", EVERYTHING)).toEqual([
      { rung: "replica", replica: 1 },
      { rung: "reload" },
      { rung: "backend", backend: "onnx" },
      { rung: "reroute" },
      { rung: "shared-only" },
      { rung: "fail", reason: expect.stringContaining("tried replica, reload, backend, reroute, shared-only") },
    ])
  })

  test.each([
    ["throw", ["replica", "reload", "backend", "reroute", "shared-only", "fail"]],
    ["non-finite", ["replica", "reload", "backend", "reroute", "shared-only", "fail"]],
    ["checksum", ["replica", "reload", "reroute", "shared-only", "fail"]],
    ["deadline", ["replica", "retry", "backend", "reroute", "shared-only", "fail"]],
    ["host", ["retry", "replica", "reload", "backend", "reroute", "shared-only", "fail"]],
  ] as const)("%s that comes again and again climbs %j", (kind, rungs) => {
    expect(namesOf(climbAll(kind, EVERYTHING))).toEqual([...rungs])
  })

  test("every copy and every backend is tried, each once, in the order given", () => {
    const means = { ...EVERYTHING, replicas: [0, 3, 1, 2], backends: ["gpu", "onnx", "reference"] }
    expect(climbAll("throw", means).slice(0, 7)).toEqual([
      { rung: "replica", replica: 3 },
      { rung: "replica", replica: 1 },
      { rung: "replica", replica: 2 },
      { rung: "reload" },
      { rung: "backend", backend: "gpu" },
      { rung: "backend", backend: "onnx" },
      { rung: "backend", backend: "reference" },
    ])
  })

  test("without means a norm is retried from nothing: it is accepted only after other bytes or other code gave it", () => {
    const none = { ...EVERYTHING, replicas: [0], isFileReadable: false, backends: [] }
    expect(namesOf(climbAll("norm", none))).toEqual(["reroute", "shared-only", "fail"])
    for (const rung of [
      { rung: "replica", replica: 1 },
      { rung: "reload" },
      { rung: "backend", backend: "onnx" },
    ] as const)
      expect(planFailover(fault("norm"), none, [{ rung, kind: "norm" }])).toEqual({ rung: "accept" })
    const retried = [{ rung: { rung: "retry" }, kind: "norm" }] as const
    expect(planFailover(fault("norm"), none, retried).rung).toBe("reroute")
  })

  test("a token is routed around an expert while as many others are left as it visits, no fewer", () => {
    const bare = { ...EVERYTHING, replicas: [], isFileReadable: false, backends: [], hasSharedExpert: false }
    expect(namesOf(climbAll("throw", { ...bare, numOthers: 2 }))).toEqual(["reroute", "fail"])
    expect(namesOf(climbAll("throw", { ...bare, numOthers: 1 }))).toEqual(["fail"])
  })

  test("the reason says what was tried and what is missing, and nothing that is not", () => {
    const reasonOf = (means: FailoverMeans): unknown => {
      const last = climbAll("throw", means).at(-1)!
      return last.rung === "fail" ? last.reason : undefined
    }
    const begin = "layer 3, expert 5: throw fault: "
    expect(reasonOf({ ...EVERYTHING, replicas: [] })).toBe(`${begin}tried reload, backend, reroute, shared-only`)
    expect(reasonOf({ ...EVERYTHING, replicas: [], isFileReadable: false, backends: [], allowsDegraded: false })).toBe(
      `${begin}nothing could be tried; its file cannot be read; degraded answers are not allowed`,
    )
    expect(reasonOf({ ...EVERYTHING, numOthers: 1, hasSharedExpert: false })).toBe(
      `${begin}tried replica, reload, backend; 1 other experts are available, fewer than topK 2; the layer has no shared expert`,
    )
    expect(reasonOf({ ...EVERYTHING, numOthers: 2 })).not.toContain("fewer than topK")
  })

  test("wrong bytes are not tried on another backend, and a late step is not read again", () => {
    expect(namesOf(climbAll("checksum", EVERYTHING))).not.toContain("backend")
    expect(namesOf(climbAll("deadline", EVERYTHING))).not.toContain("reload")
  })

  test("a host that ended is no fault of the bytes: the same copy runs again first", () => {
    expect(namesOf(climbAll("host", EVERYTHING)).slice(0, 2)).toEqual(["retry", "replica"])
  })

  test("an unusual norm that comes again from another copy is what the expert computes", () => {
    expect(namesOf(climbAll("norm", EVERYTHING))).toEqual(["replica", "accept"])
    const afterThrow: FailoverAttempt[] = [{ rung: { rung: "replica", replica: 1 }, kind: "throw" }]
    expect(planFailover(fault("norm"), EVERYTHING, afterThrow)).toEqual({ rung: "reload" })
  })

  test("where the text may not change, nothing below another backend is tried, and the reason says so", () => {
    const last = climbAll("throw", { ...EVERYTHING, allowsDegraded: false }).slice(-2)
    expect(namesOf(last)).toEqual(["backend", "fail"])
    expect(last[1]).toMatchObject({ reason: expect.stringContaining("degraded answers are not allowed") })
  })

  test("nothing that is missing is planned, nothing is tried twice, and it ends, whatever faults follow each other", () => {
    const meansArb: fc.Arbitrary<FailoverMeans> = fc.record({
      replicas: fc.uniqueArray(fc.nat({ max: 4 })),
      isFileReadable: fc.boolean(),
      backends: fc.uniqueArray(fc.constantFrom("onnx", "reference", "webgpu")),
      numOthers: fc.nat({ max: 8 }),
      topK: fc.integer({ min: 1, max: 8 }),
      hasSharedExpert: fc.boolean(),
      allowsDegraded: fc.boolean(),
    })
    fc.assert(
      fc.property(meansArb, fc.infiniteStream(fc.constantFrom(...KINDS)), (means, kinds) => {
        const attempts: FailoverAttempt[] = []
        for (const kind of kinds) {
          const next = planFailover(fault(kind), means, attempts)
          if (next.rung === "fail" || next.rung === "accept") break
          expect(attempts.map(({ rung }) => rung)).not.toContainEqual(next)
          if (next.rung === "replica") expect(means.replicas).toContain(next.replica)
          if (next.rung === "replica") expect(next.replica).not.toBe(0)
          if (next.rung === "reload") expect(means.isFileReadable).toBe(true)
          if (next.rung === "reroute") expect(means.allowsDegraded && means.numOthers >= means.topK).toBe(true)
          if (next.rung === "shared-only") expect(means.allowsDegraded && means.hasSharedExpert).toBe(true)
          attempts.push({ rung: next, kind })
        }
        expect(attempts.length).toBeLessThanOrEqual(means.replicas.length + means.backends.length + 4)
      }),
    )
  })
})
