import { describe, expect, test } from "bun:test"
import type { FleetReply } from "./askFleet.ts"
import { checkBreakers } from "./checkBreakers.ts"
import { type AskedFleet, checkReply } from "./checkReply.ts"
import { answerOf } from "./createFaultyPeer.ts"
import { BREAKER } from "./fleetToml.ts"

const ASKED: AskedFleet = { number: 7, isStream: false, consult: undefined }
const whole = answerOf("risk", 7)
const good: FleetReply = {
  status: 200,
  text: whole,
  numEnds: 1,
  errorCode: undefined,
  expert: "risk",
  attempts: [{ expert: "risk", outcome: "answered" }],
  consultation: undefined,
  hasLeft: false,
  ms: 10,
}
const error: FleetReply = {
  ...good,
  status: 502,
  text: "",
  numEnds: 0,
  errorCode: "experts_failed",
  expert: undefined,
  attempts: [],
}
const byDesk = {
  expert: "desk",
  attempts: [
    { expert: "risk", outcome: "cut-stream" },
    { expert: "desk", outcome: "answered" },
  ],
}
const half = "<risk 7.0> <risk 7.1> "

describe("checkReply", () => {
  test("one whole answer and one clear error are right", () => {
    expect(checkReply(ASKED, good)).toEqual([])
    expect(checkReply(ASKED, error)).toEqual([])
    expect(checkReply({ ...ASKED, isStream: true }, { ...good, ...byDesk, text: `${half}and so on` })).toEqual([])
    expect(
      checkReply({ ...ASKED, isStream: true }, { ...error, status: 200, text: half, attempts: [byDesk.attempts[0]!] }),
    ).toEqual([])
  })

  const wrong: readonly (readonly [string, boolean, Partial<FleetReply>])[] = [
    ["late", false, { ms: 60_000 }],
    ["ended twice", true, { numEnds: 2 }],
    ["without an end", true, { numEnds: 0 }],
    ["answered twice", true, { text: whole + whole }],
    ["answered anew after its beginning", true, { text: half + whole }],
    ["half an answer", false, { text: half }],
    ["with words of one who failed", false, { ...byDesk, text: `${half}and so on` }],
    ["another's answer", false, { text: answerOf("risk", 8) }],
    ["asked twice", false, { attempts: [{ expert: "risk", outcome: "timeout" }, ...good.attempts] }],
    ["answered after an answer", false, { attempts: [...good.attempts, { expert: "copy", outcome: "answered" }] }],
    ["ended by an unknown error", false, { ...error, errorCode: "internal_error", status: 500 }],
  ]
  test.each(wrong)("a reply that is %s is not", (_, isStream, change) => {
    expect(checkReply({ ...ASKED, isStream }, { ...good, ...change })).not.toEqual([])
  })

  const consulted: FleetReply = {
    ...good,
    attempts: ["risk", "copy", "risk"].map((expert) => ({ expert, outcome: "answered" })),
    consultation: { kind: "best-of", answered: ["risk", "copy"], missing: [], isPartial: false },
  }
  const BEST_OF: AskedFleet = { ...ASKED, consult: "best-of" }
  test("a consultation whose judge was heard too is right, and so is one that broke off", () => {
    expect(checkReply(BEST_OF, consulted)).toEqual([])
    expect(checkReply(BEST_OF, { ...error, attempts: consulted.attempts })).toEqual([])
    const alone = { kind: "synthesis", answered: [], missing: ["copy", "near"], isPartial: true }
    expect(checkReply({ ...ASKED, consult: "synthesis" }, { ...good, consultation: alone })).toEqual([])
  })

  const heard = consulted.consultation!
  const wrongly: readonly (readonly [string, AskedFleet["consult"], Partial<FleetReply>])[] = [
    ["with someone asked a third time", "best-of", { attempts: [...consulted.attempts, ...good.attempts] }],
    ["a vote with someone asked twice", "vote", { consultation: { ...heard, kind: "vote" } }],
    ["another kind", "synthesis", {}],
    ["without a word of it", "best-of", { consultation: undefined }],
    ["someone heard who failed", "best-of", { attempts: good.attempts }],
    ["of more than were wanted", "best-of", { consultation: { ...heard, missing: ["near"], isPartial: true } }],
    ["whole with someone missing", "best-of", { consultation: { ...heard, answered: ["risk"], missing: ["copy"] } }],
    ["not the chosen one's words", "best-of", { text: answerOf("copy", 7) }],
    ["half the chosen one's words", "best-of", { text: half }],
    ["the words of one who was not heard", "best-of", { consultation: { ...heard, answered: ["copy"] } }],
  ]
  test.each(wrongly)("a consultation that is %s is not", (_, consult, change) => {
    expect(checkReply({ ...ASKED, consult }, { ...consulted, ...change })).not.toEqual([])
  })
})

describe("checkBreakers", () => {
  const { firstBackoffMs } = BREAKER
  const open = { state: "open", sinceMs: 1000, nextProbeMs: 1000 + firstBackoffMs, history: [] }
  const event = (state: string, atMs: number) => ({ state, atMs })
  test("one that cools down as set is right", () => {
    const history = [event("closed", 0), event("open", 1000), event("half-open", 1000 + firstBackoffMs)]
    expect(checkBreakers([{ name: "risk", numAnswering: 0, breaker: { ...open, history } }], 1900)).toEqual([])
  })
  test("one that is asked meanwhile, waits too short, or is probed too early is not", () => {
    expect(checkBreakers([{ name: "risk", numAnswering: 1, breaker: open }], 1900)).toEqual([
      "risk: is asked while it cools down",
    ])
    const short = { ...open, nextProbeMs: 1100 }
    expect(checkBreakers([{ name: "risk", numAnswering: 0, breaker: short }], 1050)).toEqual([
      "risk: cools down for 100 ms",
    ])
    const history = [event("closed", 0), event("open", 1000), event("half-open", 1200)]
    expect(
      checkBreakers([{ name: "risk", numAnswering: 0, breaker: { ...open, state: "half-open", history } }], 1900),
    ).toEqual(["risk: probed 200 ms after it failed"])
  })
})
