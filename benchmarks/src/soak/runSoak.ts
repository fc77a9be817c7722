/** Faults of every kind under streams: nobody may lose a request, a token, or get one twice. */
import { FAULT_KINDS } from "@consilium/serving"
import { createRandom } from "@consilium/tensor"
import { streamChat } from "../load/streamChat.ts"
import { shuffle } from "../shuffle.ts"
import { createAdminClient } from "./createAdminClient.ts"

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

const PROMPTS = [
  "Hello!",
  "I lost my credit card, what should I do?",
  "What is the capital of France?",
  "Tell me about your opening hours.",
  "How much is 12 percent of 250?",
  "Write a short poem about rain.",
]
const MAX_TOKENS = 64
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
  const expected = await answersWithoutFaults(options)
  const before = await admin.report()
  const places = before.experts

  const state = { isOver: false, mayDiffer: 0, numAnswers: 0, numCompared: 0, lastSpoiled: Number.NEGATIVE_INFINITY }
  const losses: string[] = []
  const arrivals: number[][] = Array.from({ length: numStreams }, () => [])
  /** Answers that each stream has had, or lost. */
  const numEnded = new Uint32Array(numStreams)
  const stream = async (index: number): Promise<void> => {
    for (let n = 0; !state.isOver && !signal.aborted; n++) {
      const call = (index + n * 5) % (PROMPTS.length * 2)
      const begun = performance.now()
      try {
        const answer = await ask(url, call, signal, (atMs) => arrivals[index]!.push(atMs))
        state.numAnswers++
        const wanted = expected[call]!
        const isExact = state.mayDiffer === 0 && begun > state.lastSpoiled
        if (isExact) state.numCompared++
        if (answer.finishReason === undefined) losses.push(`stream ${index}: an answer without an end`)
        else if (isExact && answer.text !== wanted.text)
          losses.push(
            `stream ${index}: ${JSON.stringify(PROMPTS[call % PROMPTS.length])}: expected ${JSON.stringify(wanted.text)}, found ${JSON.stringify(answer.text)}`,
          )
      } catch (error) {
        losses.push(`stream ${index}: ${(error as Error).message}`)
        await Bun.sleep(50)
      }
      numEnded[index]!++
    }
  }
  const streams = Array.from({ length: numStreams }, (_, i) => stream(i))

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
      for (const times of arrivals) times.splice(0, Math.max(0, times.length - 1))
      if (MAY_CHANGE_TEXT.has(kind)) state.mayDiffer++
      const numFailures = MAY_CHANGE_TEXT.has(kind) ? await admin.numFailures(layer, expert) : 0
      const endedBefore = numEnded.slice()
      try {
        await admin.inject(kind, layer, expert)
      } catch (error) {
        losses.push(`${kind} was not taken: ${(error as Error).message}`)
        if (MAY_CHANGE_TEXT.has(kind)) state.mayDiffer--
        continue
      }
      const injectedMs = performance.now()
      const isSettled = await settle(kind, arrivals, signal)
      pausesMs[kind].push(longestSilence(arrivals))
      // The answers that it fell into are ended, and compared, before the next.
      const hasGoneOn = (): boolean => numEnded.every((count, i) => count > endedBefore[i]!)
      if (!(isSettled && (await within15s(hasGoneOn, signal)))) losses.push(`after ${kind}: a stream did not go on`)
      if (MAY_CHANGE_TEXT.has(kind)) {
        if (!(await admin.untilRepaired(layer, expert, numFailures)))
          losses.push(`layer ${layer} expert ${expert}: its spoilt bytes were not found`)
        spoiltMs.push(performance.now() - injectedMs)
        // Answers that had begun by then may hold what was computed before.
        state.lastSpoiled = performance.now()
        state.mayDiffer--
      }
      counts[kind]++
      onFault?.(n + 1, kinds.length)
    }
  } finally {
    // Streams that nobody ends would ask for ever.
    state.isOver = true
    await Promise.all(streams)
  }
  return {
    numFaults: counts,
    numAnswers: state.numAnswers,
    numCompared: state.numCompared,
    spoiltMs,
    losses,
    pausesMs,
    leaks: await leaksSince(before, admin.report),
  }
}

/** Half of the prompts are asked greedily, half with seeded sampling. */
function ask(url: string, call: number, signal: AbortSignal, onArrival: (atMs: number) => void) {
  const isSampled = call >= PROMPTS.length
  const prompt = PROMPTS[call % PROMPTS.length]!
  const fields = isSampled ? { temperature: 0.9, seed: 7 } : {}
  return streamChat({ url, model: "default", prompt, maxTokens: MAX_TOKENS, fields, signal, onArrival })
}

async function answersWithoutFaults({ url, signal }: SoakOptions) {
  const answers = []
  for (let call = 0; call < PROMPTS.length * 2; call++) answers.push(await ask(url, call, signal, () => {}))
  return answers
}

/** Waits until streams have gone on after a fault; returns whether all do. */
async function settle(kind: SoakKind, arrivals: readonly number[][], signal: AbortSignal): Promise<boolean> {
  const isFatal = kind === "kill-engine" || kind.startsWith("hang")
  const since = performance.now()
  // A fault that kills takes a moment until it is noticed.
  await Bun.sleep(isFatal ? 20 : 5)
  const least = isFatal ? 8 : 3
  return within15s(() => arrivals.every((times) => times.filter((at) => at > since).length >= least), signal)
}

/** Waits until something holds; returns false where it does not in time. */
async function within15s(holds: () => boolean, signal: AbortSignal): Promise<boolean> {
  const from = performance.now()
  while (!holds()) {
    if (performance.now() - from > 15_000 || signal.aborted) return signal.aborted
    await Bun.sleep(2)
  }
  return true
}

function longestSilence(arrivals: readonly number[][]): number {
  return arrivals.reduce(
    (most, times) => times.reduce((longest, at, i) => Math.max(longest, i === 0 ? 0 : at - times[i - 1]!), most),
    0,
  )
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
