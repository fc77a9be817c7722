/** Faults of every kind under streams: nobody may lose a request, a token, or get one twice. */
import { FAULT_KINDS } from "@consilium/serving"
import { createRandom } from "@consilium/tensor"
import { shuffle } from "../shuffle.ts"
import { createAdminClient } from "./createAdminClient.ts"
import { answersAlone, type SoakStreams, startSoakStreams } from "./startSoakStreams.ts"

/** Kinds of faults: those that the admin routes inject, and two of the machine. */
export const SOAK_KINDS = [...FAULT_KINDS, "kill-engine", "disk-full"] as const
type SoakKind = (typeof SOAK_KINDS)[number]

export interface SoakOptions {
  readonly url: string
  readonly adminUrl: string
  readonly numStreams: number
  /** Faults of each kind. */
  readonly numFaults: number
  /** Ends the soak early, with as many of each kind as there was time for; `Infinity` unless given. */
  readonly maxMs?: number
  readonly seed: number
  readonly signal: AbortSignal
  readonly onFault?: (numDone: number, total: number) => void
}

export interface SoakResult {
  readonly numFaults: Readonly<Record<SoakKind, number>>
  readonly numAnswers: number
  /** Those of them that had to be what they are without faults, to the letter: all but the ones beside a spoilt slab. */
  readonly numCompared: number
  /** How long each spoilt slab stayed in memory. */
  readonly spoiltMs: readonly number[]
  /** What clients noticed, one line each; empty where all is well. */
  readonly losses: readonly string[]
  /** By kind: the longest silence of any stream after each fault. */
  readonly pausesMs: Readonly<Record<SoakKind, number[]>>
  /** Experts that are not awake at the end, or hold other than their own bytes. */
  readonly leaks: readonly string[]
}

/** A stream that does not go on in this time is lost. */
const PATIENCE_MS = 15_000
/** Kinds after which text may differ until the scrub has found them; clients still get whole answers. */
const MAY_CHANGE_TEXT = new Set<SoakKind>(["corrupt-slab"])

interface Report {
  readonly experts: readonly {
    readonly layer: number
    readonly expert: number
    readonly state: string
    readonly numFailures: number
  }[]
  readonly residency: { readonly usedBytes: number }
}

export async function runSoak(options: SoakOptions): Promise<SoakResult> {
  const { url, numStreams, numFaults, maxMs = Number.POSITIVE_INFINITY, seed, signal, onFault } = options
  const random = createRandom(seed)
  const admin = createSoakAdmin(options.adminUrl)
  const started = performance.now()
  const expected = await answersAlone(options)
  const before = await admin.report()
  const places = before.experts

  let [mayDiffer, lastSpoiledMs] = [0, Number.NEGATIVE_INFINITY]
  const isExact = (begunMs: number): boolean => mayDiffer === 0 && begunMs > lastSpoiledMs
  const streams = startSoakStreams({ url, numStreams, signal, expected, patienceMs: PATIENCE_MS, isExact })
  const { losses } = streams

  const kinds = shuffle(
    SOAK_KINDS.flatMap((kind) => Array.from({ length: numFaults }, () => kind)),
    random,
  )
  const spoiltMs: number[] = []
  const counts = Object.fromEntries(SOAK_KINDS.map((kind) => [kind, 0])) as Record<SoakKind, number>
  const pausesMs = Object.fromEntries(SOAK_KINDS.map((kind) => [kind, [] as number[]])) as Record<SoakKind, number[]>
  try {
    for (const [n, kind] of kinds.entries()) {
      if (signal.aborted || performance.now() - started > maxMs) break
      const { layer, expert } = places[Math.floor(random() * places.length)]!
      streams.forget()
      if (MAY_CHANGE_TEXT.has(kind)) mayDiffer++
      const numFailures = MAY_CHANGE_TEXT.has(kind) ? await admin.numFailures(layer, expert) : 0
      const endedBefore = streams.numEnded.slice()
      try {
        await admin.inject(kind, layer, expert)
      } catch (error) {
        losses.push(`${kind} was not taken: ${(error as Error).message}`)
        if (MAY_CHANGE_TEXT.has(kind)) mayDiffer--
        continue
      }
      const injectedMs = performance.now()
      const isSettled = await settle(kind, streams)
      pausesMs[kind].push(streams.longestSilence())
      // The answers that it fell into are ended, and compared, before the next.
      if (!(isSettled && (await streams.untilAllEnded(endedBefore))))
        losses.push(`after ${kind}: a stream did not go on`)
      if (MAY_CHANGE_TEXT.has(kind)) {
        if (!(await admin.untilRepaired(layer, expert, numFailures)))
          losses.push(`layer ${layer} expert ${expert}: its spoilt bytes were not found`)
        spoiltMs.push(performance.now() - injectedMs)
        // Answers that had begun by then may hold what was computed before.
        lastSpoiledMs = performance.now()
        mayDiffer--
      }
      counts[kind]++
      onFault?.(n + 1, kinds.length)
    }
  } finally {
    // Streams that nobody ends would ask for ever.
    await streams.end()
  }
  return {
    numFaults: counts,
    numAnswers: streams.numAnswers,
    numCompared: streams.numCompared,
    spoiltMs,
    losses,
    pausesMs,
    leaks: await leaksSince(before, admin.report),
  }
}

/** Waits until streams have gone on after a fault; returns whether all do. */
async function settle(kind: SoakKind, streams: SoakStreams): Promise<boolean> {
  const isFatal = kind === "kill-engine" || kind.startsWith("hang")
  const sinceMs = performance.now()
  // A fault that kills takes a moment until it is noticed.
  await Bun.sleep(isFatal ? 20 : 5)
  return streams.untilAllHave(isFatal ? 8 : 3, sinceMs)
}

async function leaksSince(before: Report, report: () => Promise<Report>): Promise<string[]> {
  const after = await report()
  const leaks = after.experts.flatMap(({ layer, expert, state }) =>
    state === "awake" ? [] : [`layer ${layer} expert ${expert} is ${state}`],
  )
  if (after.residency.usedBytes !== before.residency.usedBytes)
    leaks.push(`experts hold ${after.residency.usedBytes} bytes, ${before.residency.usedBytes} before`)
  return leaks
}

function createSoakAdmin(adminUrl: string) {
  const client = createAdminClient(adminUrl)
  const report = async (): Promise<Report> => (await client.read("experts")) as Report
  /** While the engine is restarted, or the expert read, a fault has no place: it is tried again. */
  const postUntilTaken = async (path: string, body: unknown): Promise<void> => {
    for (let tries = 1; ; tries++) {
      try {
        return await client.post(path, body)
      } catch (error) {
        if (tries === 500) throw error
        await Bun.sleep(20)
      }
    }
  }
  const numFailures = async (layer: number, expert: number): Promise<number> =>
    (await report()).experts.find((of) => of.layer === layer && of.expert === expert)?.numFailures ?? 0
  return {
    report,
    /** @throws Error where the service takes it at no time within 10 s */
    async inject(kind: SoakKind, layer: number, expert: number): Promise<void> {
      // NaN that is gone at the second look has no name; twice, it has.
      const count = kind === "nan" ? 2 : 1
      if (kind === "disk-slow") await postUntilTaken("faults", { kind: "throw", layer, expert, count: 1 })
      await postUntilTaken("faults", { kind, layer, expert, count })
      if (kind === "disk-full") await postUntilTaken("scale", { awakePerLayer: null, replicasPerLayer: 0 })
    },
    numFailures,
    /** Waits until an expert whose bytes were spoilt has been read again; returns false where that takes more than 30 s. */
    async untilRepaired(layer: number, expert: number, before: number): Promise<boolean> {
      const from = performance.now()
      while ((await numFailures(layer, expert)) <= before) {
        if (performance.now() - from > 30_000) return false
        await Bun.sleep(10)
      }
      return true
    },
  }
}
