import type { ConsultKind } from "@consilium/fleet"
import { DEADLINE_MS, LOCALS, REMOTES } from "./fleetToml.ts"
import { answerOf } from "./createFaultyPeer.ts"
import type { FleetReply } from "./askFleet.ts"

/** What a client asked for. */
export interface AskedFleet {
  readonly number: number
  readonly isStream: boolean
  /** Of a consultation; undefined where one expert is asked. */
  readonly consult: ConsultKind | undefined
}

/** Experts that each consultation asks. */
export const NUM_CONSULTED = 2

/** The process is shared: an end may be noticed so much after it came. */
const SLACK_MS = 1500
/** Every public code that a fleet may end a request with. */
const CLEAR_ERRORS = ["experts_failed", "experts_cooling_down", "experts_busy", "deadline_exceeded", "invalid_value"]

/** Returns what is wrong with a reply, one line each: nothing where it is one whole answer, or one clear error, in time. */
export function checkReply(asked: AskedFleet, reply: FleetReply): string[] {
  const { number, isStream, consult } = asked
  const wrongs = checkEnd(reply)
  if (!reply.hasLeft) wrongs.push(...checkAttempts(asked, reply), ...checkText(asked, reply))
  if (consult !== undefined && !reply.hasLeft) wrongs.push(...checkConsultation(consult, reply))
  return wrongs.map((wrong) => `#${number}${isStream ? ", a stream" : ""}${consult ? `, a ${consult}` : ""}: ${wrong}`)
}

function checkEnd({ hasLeft, ms, status, errorCode, numEnds }: FleetReply): string[] {
  const wrongs = ms > DEADLINE_MS + SLACK_MS ? [`ended after ${Math.round(ms)} ms`] : []
  if (hasLeft) return wrongs
  if (errorCode !== undefined) {
    if (!CLEAR_ERRORS.includes(errorCode)) wrongs.push(`status ${status}, error ${errorCode}`)
    if (numEnds > 0) wrongs.push("an end and an error")
  } else if (status !== 200 || numEnds !== 1) wrongs.push(`status ${status} with ${numEnds} ends`)
  return wrongs
}

/** Nobody is asked twice, but for whoever decides after it was heard; nobody after an answer. */
function checkAttempts({ consult }: AskedFleet, { attempts, expert, errorCode }: FleetReply): string[] {
  const wrongs: string[] = []
  const asked = attempts.map((attempt) => attempt.expert)
  const most = consult === "best-of" || consult === "synthesis" ? 2 : 1
  const often = [...new Set(asked)].filter((name) => asked.filter((other) => other === name).length > most)
  if (often.length > 0) wrongs.push(`asked too often: ${often.join(", ")} of ${asked.join(", ")}`)
  const answered = attempts.filter(({ outcome }) => outcome === "answered").map((attempt) => attempt.expert)
  if (errorCode === undefined && !answered.includes(expert!)) wrongs.push(`${expert} never answered`)
  if (consult !== undefined) return wrongs
  if (answered.length !== (errorCode === undefined ? 1 : 0)) wrongs.push(`${answered.length} attempts answered`)
  if (errorCode === undefined && asked.at(-1) !== expert) wrongs.push(`${expert} is not who was asked last`)
  return wrongs
}

/** It says of all who were asked whether they were heard, and makes its answer of theirs. */
function checkConsultation(kind: ConsultKind, { consultation, attempts, expert, errorCode }: FleetReply): string[] {
  if (errorCode !== undefined) return []
  if (consultation === undefined) return ["an answer that says nothing of its consultation"]
  const { answered, missing, isPartial } = consultation
  const wrongs: string[] = []
  if (consultation.kind !== kind) wrongs.push(`a ${consultation.kind} instead`)
  const asked = [...answered, ...missing]
  if (new Set(asked).size < asked.length || asked.length > NUM_CONSULTED) wrongs.push(`asked ${asked.join(", ")}`)
  if (isPartial !== missing.length > 0) wrongs.push(`${missing.length} missing, isPartial ${isPartial}`)
  const silent = answered.filter((name) => !attempts.some((one) => one.expert === name && one.outcome === "answered"))
  if (silent.length > 0) wrongs.push(`${silent.join(", ")} heard without an answer`)
  if (kind !== "synthesis" && answered.length > 0 && !answered.includes(expert!))
    wrongs.push(`the answer of ${expert}, who was not heard`)
  return wrongs
}

/** A remote expert's words stand in its answer once, in order; what is not streamed is one whole answer. */
function checkText({ number, isStream, consult }: AskedFleet, { text, expert, errorCode }: FleetReply): string[] {
  if (!isStream && errorCode !== undefined) return text === "" ? [] : ["text beside an error"]
  // A local lead has read the words of others, and may repeat them.
  if (consult === "synthesis" && LOCALS.some((name) => name === expert)) return []
  for (const name of REMOTES) {
    const whole = answerOf(name, number)
    if (expert === name && errorCode === undefined && text !== whole)
      return [`not ${name}'s answer: ${text.slice(0, 200)}`]
    const pieces = text.match(new RegExp(`<${name} \\d+\\.\\d+> `, "g")) ?? []
    if (!whole.startsWith(pieces.join(""))) return [`${name}'s words are not once and in order: ${text.slice(0, 200)}`]
    if (!isStream && expert !== name && pieces.length > 0) return [`${name}'s words in ${expert}'s answer`]
  }
  return []
}
