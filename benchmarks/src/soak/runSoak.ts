/** Faults of every kind under streams: nobody may lose a request, a token, or get one twice. */
import { FAULT_KINDS } from "@consilium/serving"
import { createRandom } from "@consilium/tensor"
import { streamChat } from "../load/streamChat.ts"

/** Kinds of faults: those that the admin routes inject, and two of the machine. */
export const SOAK_KINDS = [...FAULT_KINDS, "kill-engine", "disk-full"] as const
type SoakKind = (typeof SOAK_KINDS)[number]

export interface SoakOptions {
  readonly url: string
  readonly adminUrl: string
  readonly modelId: string
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
  readonly residency: { readonly usedBytes: number; readonly numAwake: number }
}

export async function runSoak(options: SoakOptions): Promise<SoakResult> {
  const { url, numStreams, numFaults, maxMs = Number.POSITIVE_INFINITY, seed, signal, onFault } = options
  const random = createRandom(seed)
  const admin = createAdmin(options)
  const started = performance.now()
  const expected = await answersWithoutFaults(options)
  const before = await admin.report()
  const places = before.experts

  const state = { isOver: false, mayDiffer: 0, numAnswers: 0, lastSpoiled: Number.NEGATIVE_INFINITY }
  const losses: string[] = []
  const arrivals: number[][] = Array.from({ length: numStreams }, () => [])
  const stream = async (index: number): Promise<void> => {
    for (let n = 0; !state.isOver && !signal.aborted; n++) {
      const call = (index + n * 5) % (PROMPTS.length * 2)
      const begun = performance.now()
      try {
        const answer = await ask(url, call, signal, (atMs) => arrivals[index]!.push(atMs))
        state.numAnswers++
        const wanted = expected[call]!
        const isExact = state.mayDiffer === 0 && begun > state.lastSpoiled
        if (answer.finishReason === undefined) losses.push(`stream ${index}: an answer without an end`)
        else if (isExact && answer.text !== wanted.text)
          losses.push(
            `stream ${index}: ${JSON.stringify(PROMPTS[call % PROMPTS.length])}: expected ${JSON.stringify(wanted.text)}, found ${JSON.stringify(answer.text)}`,
          )
      } catch (error) {
        losses.push(`stream ${index}: ${(error as Error).message}`)
        await Bun.sleep(50)
      }
    }
  }
  const streams = Array.from({ length: numStreams }, (_, i) => stream(i))

  const kinds = SOAK_KINDS.flatMap((kind) => Array.from({ length: numFaults }, () => kind))
  for (let i = kinds.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[kinds[i], kinds[j]] = [kinds[j]!, kinds[i]!]
  }
  const counts = Object.fromEntries(SOAK_KINDS.map((kind) => [kind, 0])) as Record<SoakKind, number>
  const pausesMs = Object.fromEntries(SOAK_KINDS.map((kind) => [kind, [] as number[]])) as Record<SoakKind, number[]>
  for (const [n, kind] of kinds.entries()) {
    if (signal.aborted || performance.now() - started > maxMs) break
    const { layer, expert } = places[Math.floor(random() * places.length)]!
    for (const times of arrivals) times.splice(0, Math.max(0, times.length - 1))
    if (MAY_CHANGE_TEXT.has(kind)) state.mayDiffer++
    const numFailures = MAY_CHANGE_TEXT.has(kind) ? await admin.numFailures(layer, expert) : 0
    await admin.inject(kind, layer, expert)
    await settle(kind, arrivals, signal)
    if (MAY_CHANGE_TEXT.has(kind)) {
      await admin.untilRepaired(layer, expert, numFailures)
      // Answers that had begun by then may hold what was computed before.
      state.lastSpoiled = performance.now()
      state.mayDiffer--
    }
    pausesMs[kind].push(longestSilence(arrivals))
    counts[kind]++
    onFault?.(n + 1, kinds.length)
  }
  state.isOver = true
  await Promise.all(streams)
  return {
    numFaults: counts,
    numAnswers: state.numAnswers,
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

/** Waits until streams have gone on after a fault. */
async function settle(kind: SoakKind, arrivals: readonly number[][], signal: AbortSignal): Promise<void> {
  const isFatal = kind === "kill-engine" || kind.startsWith("hang")
  const since = performance.now()
  const goesOn = (): boolean => arrivals.every((times) => (times.at(-1) ?? 0) > since)
  // A fault that kills takes a moment until it is noticed.
  await Bun.sleep(isFatal ? 20 : 5)
  const from = performance.now()
  for (let waited = 0; waited < 15_000 && !signal.aborted; waited = performance.now() - from) {
    if (goesOn() && arrivals.every((times) => times.filter((at) => at > since).length >= (isFatal ? 8 : 3))) return
    await Bun.sleep(2)
  }
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

function createAdmin({ adminUrl, modelId }: SoakOptions) {
  const base = `${adminUrl}/admin/models/${modelId}`
  const report = async (): Promise<Report> => {
    for (;;) {
      const response = await fetch(`${base}/experts`)
      if (response.ok) return (await response.json()) as Report
      await Bun.sleep(20)
    }
  }
  const post = (path: string, body: unknown): Promise<Response> =>
    fetch(`${base}/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    })
  const numFailures = async (layer: number, expert: number): Promise<number> =>
    (await report()).experts.find((of) => of.layer === layer && of.expert === expert)?.numFailures ?? 0
  return {
    report,
    async inject(kind: SoakKind, layer: number, expert: number): Promise<void> {
      // NaN that is gone at the second look has no name; twice, it has.
      const count = kind === "nan" ? 2 : 1
      if (kind === "disk-slow") await post("faults", { kind: "throw", layer, expert, count: 1 })
      for (let tries = 0; tries < 500; tries++) {
        const response = await post("faults", { kind, layer, expert, count })
        if (response.ok) break
        // The engine is being restarted, or the expert read: faults want a place.
        await Bun.sleep(20)
      }
      if (kind === "disk-full") await post("scale", { awakePerLayer: null, replicasPerLayer: 0 })
    },
    numFailures,
    /** Waits until an expert whose bytes were spoilt has been read again. */
    async untilRepaired(layer: number, expert: number, before: number): Promise<void> {
      const from = performance.now()
      while ((await numFailures(layer, expert)) <= before && performance.now() - from < 30_000) await Bun.sleep(50)
    },
  }
}
