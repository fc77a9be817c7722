import { DEADLINE_MS, REMOTES } from "./fleetToml.ts"
import { answerOf } from "./createFaultyPeer.ts"
import type { FleetReply } from "./askFleet.ts"

/** The process is shared: an end may be noticed so much after it came. */
const SLACK_MS = 1500
/** Every public code that a fleet may end a request with. */
const CLEAR_ERRORS = ["experts_failed", "experts_cooling_down", "experts_busy", "deadline_exceeded", "invalid_value"]

/** Returns what is wrong with a reply, one line each: nothing where it is one whole answer, or one clear error, in time. */
export function checkReply(number: number, isStream: boolean, reply: FleetReply): string[] {
  const wrongs = [...checkEnd(reply), ...checkAttempts(reply), ...checkText(number, isStream, reply)]
  return wrongs.map((wrong) => `#${number}${isStream ? ", a stream" : ""}: ${wrong}`)
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

/** Nobody is asked twice, and nobody after an answer. */
function checkAttempts({ hasLeft, isConsulted, attempts, expert, errorCode }: FleetReply): string[] {
  if (hasLeft || isConsulted) return []
  const wrongs: string[] = []
  const asked = attempts.map((attempt) => attempt.expert)
  if (new Set(asked).size < asked.length) wrongs.push(`asked twice: ${asked.join(", ")}`)
  const numAnswered = attempts.filter(({ outcome }) => outcome === "answered").length
  if (numAnswered !== (errorCode === undefined ? 1 : 0)) wrongs.push(`${numAnswered} attempts answered`)
  if (errorCode === undefined && attempts.at(-1)?.expert !== expert) wrongs.push(`${expert} is not who was asked last`)
  return wrongs
}

/** A remote expert's words stand in its answer once, in order; what is not streamed is one whole answer. */
function checkText(number: number, isStream: boolean, reply: FleetReply): string[] {
  const { text, expert, errorCode, isConsulted, hasLeft } = reply
  if (hasLeft || isConsulted) return []
  if (!isStream && errorCode !== undefined) return text === "" ? [] : ["text beside an error"]
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
