import { type FakePeer, type PeerBehaviour, startFakePeer } from "@consilium/testing/peer"

/** What goes wrong with a remote expert; `refuse` is seen to by whoever owns the peer. */
const FAULTS = ["server-error", "too-many", "hang", "hang-midway", "cut", "break", "garbage", "wrong-json"] as const

/** A remote expert that fails in a part of its requests, in every way, and otherwise repeats the number that it is asked for. */
export interface FaultyPeer extends FakePeer {
  readonly numFaults: Readonly<Record<string, number>>
  /** Fails no more. */
  heal(): void
}

/** @param random draws what becomes of each request */
export function createFaultyPeer(name: string, faultShare: number, random: () => number): FaultyPeer {
  const numFaults: Record<string, number> = Object.fromEntries(FAULTS.map((fault) => [fault, 0]))
  let share = faultShare
  let next = Math.floor(random() * FAULTS.length)
  const peer = startFakePeer((body) => {
    const pieces = wordsOf(name, body)
    if (random() >= share) return { kind: "answer", pieces }
    // In turns, so that a short soak sees them all.
    const fault = FAULTS[next++ % FAULTS.length]!
    numFaults[fault]!++
    return behave(fault, pieces)
  })
  return Object.defineProperties(peer as FaultyPeer, {
    numFaults: { value: numFaults },
    heal: { value: () => void (share = 0) },
  })
}

/** The answer to a request that holds `#<number>`: words that stand nowhere else, so that a second answer would be seen. */
export function answerOf(name: string, number: number): string {
  return Array.from({ length: 6 }, (_, i) => `<${name} ${number}.${i}> `).join("")
}

function wordsOf(name: string, body: Record<string, unknown>): string[] {
  const number = Number(/#(\d+)/.exec(JSON.stringify(body.messages))?.[1] ?? 0)
  return answerOf(name, number).split(/(?<=> )/)
}

function behave(fault: (typeof FAULTS)[number], pieces: readonly string[]): PeerBehaviour {
  switch (fault) {
    case "server-error":
      return { kind: "status", status: 500 }
    case "too-many":
      return { kind: "status", status: 429, headers: { "retry-after-ms": "200" } }
    case "hang":
      return { kind: "hang" }
    case "hang-midway":
      return { kind: "hang", pieces: pieces.slice(0, 2) }
    case "cut":
      return { kind: "cut", pieces: pieces.slice(0, 3) }
    case "break":
      return { kind: "break", pieces: pieces.slice(0, 3) }
    case "garbage":
      return { kind: "raw", events: ["\u0000<html>", "x"] }
    case "wrong-json":
      return { kind: "raw", events: ['{"choices": "none"}'] }
  }
}
