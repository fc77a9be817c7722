import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import {
  beginProbe,
  BREAKER_POLICY,
  type BreakerPolicy,
  type BreakerSubject,
  createBreaker,
  type ExpertBreaker,
  noteFailure,
  noteProbePassed,
  noteSuccess,
} from "./index.ts"

const POLICY: BreakerPolicy = { ...BREAKER_POLICY, firstBackoffMs: 100, mostBackoffMs: 1000, jitter: 0 }
const SUBJECT = { layer: 2, expertId: 7 }
const fresh = (): ExpertBreaker => createBreaker(SUBJECT, 0)

/** Fails it and each of its probes, and returns how long each wait was. */
function waitsOf(policy: BreakerPolicy, numOpenings: number, subject: BreakerSubject = SUBJECT): number[] {
  let breaker = createBreaker(subject, 0)
  const waits: number[] = []
  for (let nowMs = 0; waits.length < numOpenings; nowMs = breaker.nextProbeMs!) {
    breaker = noteFailure(beginProbe(breaker, nowMs), "throw", nowMs, policy)
    waits.push(breaker.nextProbeMs! - nowMs)
  }
  return waits
}

describe("ExpertBreaker", () => {
  test("a failure opens it, and it says since when, why, how often and when it is probed", () => {
    const open = noteFailure(fresh(), "output is NaN", 40, POLICY)
    expect(open).toMatchObject({ ...SUBJECT, state: "open", sinceMs: 40, why: "output is NaN", numFailures: 1 })
    expect(open.nextProbeMs).toBe(140)
  })

  test("waits double up to the longest", () => {
    expect(waitsOf(POLICY, 6)).toEqual([100, 200, 400, 800, 1000, 1000])
  })

  test("jitter sets experts that failed together apart, and is the same each time", () => {
    const policy = { ...POLICY, jitter: 0.5 }
    const first = Array.from({ length: 16 }, (_, expertId) => waitsOf(policy, 1, { layer: 0, expertId })[0]!)
    expect(new Set(first).size).toBe(16)
    for (const wait of first) expect(wait >= 100 && wait < 150).toBe(true)
    expect(waitsOf(policy, 3)).toEqual(waitsOf(policy, 3))
  })

  test("a probe that fails opens it again at once, however many failures a closed one may have", () => {
    const policy = { ...POLICY, maxFailures: 3 }
    let breaker = fresh()
    for (const nowMs of [1, 2, 3]) breaker = noteFailure(breaker, "throw", nowMs, policy)
    expect(breaker).toMatchObject({ state: "open", nextProbeMs: 103 })
    expect(beginProbe(breaker, 102)).toBe(breaker)
    const halfOpen = beginProbe(breaker, 103)
    expect(halfOpen).toMatchObject({ state: "half-open", sinceMs: 103, nextProbeMs: undefined })
    expect(beginProbe(halfOpen, 104)).toBe(halfOpen)
    expect(noteFailure(halfOpen, "again", 110, policy)).toMatchObject({ state: "open", why: "again", nextProbeMs: 310 })
    // What opened it is spent: closed, it bears as many failures as before.
    const closed = noteProbePassed(halfOpen, 110)
    expect(noteFailure(noteFailure(closed, "throw", 111, policy), "throw", 112, policy).state).toBe("closed")
  })

  test("a quiet time counts from the last failure, whatever the clock says", () => {
    const policy = { ...POLICY, maxFailures: 2, quietMs: 1000 }
    const once = noteFailure(createBreaker(SUBJECT, 5_000_000), "norm", 5_000_000, policy)
    expect(noteFailure(once, "norm", 5_000_999, policy).state).toBe("open")
    expect(noteFailure(once, "norm", 5_001_000, policy).state).toBe("closed")
  })

  test("its history is what happened last, in order, 16 at most", () => {
    let breaker = fresh()
    for (let i = 0; i < 20; i++) breaker = noteFailure(breaker, `failure ${i}`, i, POLICY)
    expect(breaker.history.map(({ atMs, why }) => [atMs, why])).toEqual(
      Array.from({ length: 16 }, (_, i) => [i + 4, `failure ${i + 4}`]),
    )
    const probed = noteProbePassed(beginProbe(breaker, 100), 101)
    expect(probed.history.slice(-2)).toEqual([
      { atMs: 100, state: "half-open", why: "probe due" },
      { atMs: 101, state: "closed", why: "probe passed" },
    ])
  })

  test("copies of one expert, other seeds and later openings wait differently, and never less than without jitter", () => {
    const policy = { ...POLICY, jitter: 0.1 }
    const first = waitsOf(policy, 8)
    expect(first.map((wait, i) => wait >= Math.min(1000, 100 * 2 ** i) && wait < 1.1 * 100 * 2 ** i)).toEqual(
      first.map(() => true),
    )
    const shares = first.slice(4).map((wait) => wait / 1000)
    expect(new Set(shares).size).toBe(4)
    expect(shares.every((share) => share >= 1 && share < 1.1)).toBe(true)
    expect(waitsOf({ ...policy, seed: 2 }, 1)).not.toEqual(waitsOf(policy, 1))
    const replicas = [0, 1].map((replica) => waitsOf(policy, 1, { ...SUBJECT, replica })[0])
    expect(new Set([...replicas, first[0]]).size).toBe(3)
  })

  test("a probe that passes closes it; one that fails soon after waits longer, one after a quiet time does not", () => {
    const closed = noteProbePassed(beginProbe(noteFailure(fresh(), "throw", 0, POLICY), 100), 101)
    expect(closed).toMatchObject({ state: "closed", sinceMs: 101, nextProbeMs: undefined })
    expect(noteFailure(closed, "throw", 200, POLICY).nextProbeMs).toBe(400)
    const later = POLICY.quietMs + 1
    expect(noteFailure(closed, "throw", later, POLICY).nextProbeMs).toBe(later + 100)
  })

  test("several failures are needed where the policy says so, and a quiet time forgives the first", () => {
    const policy = { ...POLICY, maxFailures: 2, quietMs: 1000 }
    const once = noteFailure(fresh(), "norm", 10, policy)
    expect(once.state).toBe("closed")
    expect(noteFailure(once, "norm", 20, policy).state).toBe("open")
    expect(noteFailure(once, "norm", 1010, policy).state).toBe("closed")
  })

  test("where each call is a test, only failures in a row open it", () => {
    const policy = { ...POLICY, maxFailures: 2 }
    const once = noteFailure(fresh(), "throw", 10, policy)
    expect(noteFailure(noteSuccess(once), "throw", 20, policy).state).toBe("closed")
    expect(noteFailure(once, "throw", 20, policy).state).toBe("open")
    const open = noteFailure(once, "throw", 20, policy)
    expect(noteSuccess(open)).toBe(open)
    expect(noteSuccess(fresh())).toEqual(fresh())
  })

  test("what an open one was still running neither puts the probe off nor readmits it", () => {
    const open = noteFailure(fresh(), "throw", 0, POLICY)
    expect(noteFailure(open, "throw", 50, POLICY)).toMatchObject({ state: "open", sinceMs: 0, nextProbeMs: 100 })
    expect(noteProbePassed(open, 50)).toBe(open)
  })

  test("whatever happens, it is never probed before its time, one probe runs at once, and its history is bounded", () => {
    const actArb = fc.tuple(fc.constantFrom("fail", "probe", "pass"), fc.nat({ max: 300 }))
    fc.assert(
      fc.property(fc.array(actArb, { maxLength: 60 }), (acts) => {
        let breaker = fresh()
        let nowMs = 0
        let numFailures = 0
        for (const [act, afterMs] of acts) {
          nowMs += afterMs
          const before = breaker
          if (act === "fail") {
            breaker = noteFailure(breaker, "throw", nowMs, POLICY)
            numFailures++
          } else if (act === "pass") breaker = noteProbePassed(breaker, nowMs)
          else {
            breaker = beginProbe(breaker, nowMs)
            const isDue = before.state === "open" && nowMs >= before.nextProbeMs!
            expect(breaker === before).toBe(!isDue)
          }
          expect(breaker.nextProbeMs !== undefined).toBe(breaker.state === "open")
          expect(breaker.history.length).toBeLessThanOrEqual(16)
        }
        expect(breaker.numFailures).toBe(numFailures)
      }),
    )
  })
})
