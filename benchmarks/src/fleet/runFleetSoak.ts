/** A fleet under random failures: every request ends with one answer or one clear error, in time. */
import { CONSULT_KINDS, type ConsultKind } from "@consilium/fleet"
import { createRandom } from "@consilium/tensor"
import { askFleet, type FleetReply } from "./askFleet.ts"
import { checkBreakers, type ExpertState } from "./checkBreakers.ts"
import { type AskedFleet, checkReply, NUM_CONSULTED } from "./checkReply.ts"
import type { FaultyPeer } from "./createFaultyPeer.ts"
import type { REMOTES } from "./fleetToml.ts"

export interface FleetSoakOptions {
  readonly url: string
  readonly adminUrl: string
  readonly peers: Readonly<Record<(typeof REMOTES)[number], FaultyPeer>>
  /** Kills the engine process of some local expert; returns false where none runs. */
  readonly killEngine: () => boolean
  readonly numRequests: number
  readonly numClients: number
  readonly seed: number
  readonly signal: AbortSignal
  readonly onReply?: (numDone: number) => void
}

export interface FleetSoakResult {
  readonly numAnswers: number
  /** By public code. */
  readonly numErrors: Readonly<Record<string, number>>
  readonly numLeft: number
  readonly numFailedOver: number
  readonly numContinued: number
  readonly numConsulted: number
  readonly numKills: number
  readonly ms: readonly number[]
  /** What was wrong, one line each; empty where all is well. */
  readonly wrongs: readonly string[]
}

/** So often an engine is killed, a remote expert's port closed for a moment, and the breakers looked at. */
const KILL_EVERY = 50
const REFUSE_EVERY = 40
const LOOK_EVERY = 20
const REFUSE_MS = 60
export async function runFleetSoak(options: FleetSoakOptions): Promise<FleetSoakResult> {
  const { numRequests, numClients, seed, signal, peers } = options
  const random = createRandom(seed)
  const tally = createTally()
  let next = 0
  const client = async (): Promise<void> => {
    while (next < numRequests && !signal.aborted) {
      const number = ++next
      if (number % KILL_EVERY === 0 && options.killEngine()) tally.numKills++
      if (number % REFUSE_EVERY === 0) void refuse(random() < 0.5 ? peers.risk : peers.copy)
      if (number % LOOK_EVERY === 0) tally.wrongs.push(...checkBreakers(await look(options), Date.now()))
      await oneRequest(options, number, random, tally)
      options.onReply?.(number)
    }
  }
  await Promise.all(Array.from({ length: numClients }, client))
  if (!signal.aborted) tally.wrongs.push(...(await recover(options)))
  return tally
}

function createTally() {
  return {
    numAnswers: 0,
    numErrors: {} as Record<string, number>,
    numLeft: 0,
    numFailedOver: 0,
    numContinued: 0,
    numConsulted: 0,
    numKills: 0,
    ms: [] as number[],
    wrongs: [] as string[],
  }
}

async function oneRequest(
  { url, signal }: FleetSoakOptions,
  number: number,
  random: () => number,
  tally: ReturnType<typeof createTally>,
): Promise<void> {
  const isStream = random() < 0.5
  const leaving = random() < 0.05 ? AbortSignal.timeout(20 + random() * 400) : undefined
  const drawn = drawRequest(number, random)
  const body = { ...drawn, stream: isStream, max_tokens: 12, temperature: 0 }
  const reply = await askFleet(url, body, leaving === undefined ? signal : AbortSignal.any([signal, leaving])).catch(
    (error: Error) => void tally.wrongs.push(`#${number}: ${error.message}`),
  )
  if (reply !== undefined) count(tally, { number, isStream, consult: drawn.consilium?.consult }, reply)
}

function count(tally: ReturnType<typeof createTally>, asked: AskedFleet, reply: FleetReply): void {
  const { hasLeft, errorCode, attempts, consultation, ms } = reply
  tally.wrongs.push(...checkReply(asked, reply))
  if (hasLeft) return void tally.numLeft++
  tally.ms.push(ms)
  if (errorCode !== undefined) return void (tally.numErrors[errorCode] = (tally.numErrors[errorCode] ?? 0) + 1)
  tally.numAnswers++
  if (consultation !== undefined) return void tally.numConsulted++
  if (attempts.length > 1) tally.numFailedOver++
  // It begins with the words of one who failed.
  const begun = /^<(\w+) /.exec(reply.text)?.[1]
  if (begun !== undefined && begun !== reply.expert) tally.numContinued++
}

interface DrawnRequest {
  readonly model: string
  readonly messages: readonly object[]
  readonly consilium?: { readonly consult: ConsultKind; readonly experts: number }
}

/** Somebody for everyone: by rule, by name, by share, in consultation. */
function drawRequest(number: number, random: () => number): DrawnRequest {
  const draw = random()
  const ask = (model: string, words: string, rest: Pick<DrawnRequest, "consilium"> = {}): DrawnRequest => ({
    model,
    messages: [{ role: "user", content: `#${number} ${words}` }],
    ...rest,
  })
  if (draw < 0.3) return ask("auto", "What is our risk?")
  if (draw < 0.55) return ask("auto", "Write a slogan")
  if (draw < 0.65) return ask("auto", "I lost my card")
  if (draw < 0.75) return ask("auto:0.5", "Is it worth it?")
  if (draw < 0.85) return ask(random() < 0.5 ? "risk" : "copy", "You, please")
  if (draw < 0.93) return ask("near", "When are you open?")
  if (draw < 0.95) return ask("rare", "What do the archives say?")
  const consult = CONSULT_KINDS[Math.floor(random() * CONSULT_KINDS.length)]!
  return ask("auto", "What is our risk?", { consilium: { consult, experts: NUM_CONSULTED } })
}

async function refuse(peer: FaultyPeer): Promise<void> {
  peer.refuse(true)
  await Bun.sleep(REFUSE_MS)
  peer.refuse(false)
}

async function look({ adminUrl }: FleetSoakOptions): Promise<readonly ExpertState[]> {
  const response = await fetch(`${adminUrl}/admin/fleet`)
  return ((await response.json()) as { experts: ExpertState[] }).experts
}

/** Once nobody fails any more, everyone answers again, and nothing is left under way. */
async function recover(options: FleetSoakOptions): Promise<string[]> {
  for (const peer of Object.values(options.peers)) peer.heal()
  const until = performance.now() + 30_000
  const names = (await look(options)).map(({ name }) => name)
  const wrongs: string[] = []
  for (const name of names) {
    const body = { model: name, messages: [{ role: "user", content: "#0 again" }], max_tokens: 4 }
    for (;;) {
      const reply = await askFleet(options.url, body, options.signal)
      if (reply.expert === name) break
      if (performance.now() > until) {
        wrongs.push(`${name} did not come back: ${reply.errorCode ?? `${reply.expert} answered`}`)
        break
      }
      await Bun.sleep(100)
    }
  }
  const left = (await look(options)).filter(({ numAnswering }) => numAnswering > 0)
  return [...wrongs, ...left.map(({ name, numAnswering }) => `${name}: ${numAnswering} attempts never ended`)]
}
