import { BREAKER, LOCALS } from "./fleetToml.ts"

/** An expert as `GET /admin/fleet` shows it. */
export interface ExpertState {
  readonly name: string
  readonly numAnswering: number
  readonly breaker: {
    readonly state: string
    readonly sinceMs: number
    readonly nextProbeMs?: number
    readonly history: readonly { readonly atMs: number; readonly state: string }[]
  }
}

/** After a breaker's opening: what was on its way has ended by its timeout. */
const SETTLED_MS = 800

/** Returns what is not as the settings say: how long somebody cools down, when it is probed, and that nobody asks it meanwhile. */
export function checkBreakers(experts: readonly ExpertState[], nowMs: number): string[] {
  return experts.flatMap((expert) => [...checkWait(expert, nowMs), ...checkProbes(expert)])
}

function checkWait({ name, numAnswering, breaker }: ExpertState, nowMs: number): string[] {
  const { state, sinceMs, nextProbeMs } = breaker
  if (state !== "open" || nextProbeMs === undefined) return []
  const waitMs = nextProbeMs - sinceMs
  const most = BREAKER.mostBackoffMs * 1.1 + 1
  const wrongs = waitMs < BREAKER.firstBackoffMs || waitMs > most ? [`${name}: cools down for ${waitMs} ms`] : []
  // Of local experts, answers that had begun before may still be under way.
  const isRemote = !(LOCALS as readonly string[]).includes(name)
  const isSettled = nowMs - sinceMs > SETTLED_MS && nowMs < nextProbeMs
  return isRemote && isSettled && numAnswering > 0 ? [...wrongs, `${name}: is asked while it cools down`] : wrongs
}

function checkProbes({ name, breaker }: ExpertState): string[] {
  const wrongs: string[] = []
  let openedMs: number | undefined
  let before: string | undefined
  for (const { state, atMs } of breaker.history) {
    if (state === "open" && before !== undefined && before !== "open") openedMs = atMs
    if (state === "half-open" && openedMs !== undefined && atMs - openedMs < BREAKER.firstBackoffMs)
      wrongs.push(`${name}: probed ${atMs - openedMs} ms after it failed`)
    before = state
  }
  return wrongs
}
