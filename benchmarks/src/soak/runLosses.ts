/** A GPU that is lost again and again under streams: nobody may lose a request or a token, and nothing may stay behind. */
import { createRandom } from "@consilium/tensor"
import { summarise } from "../summarise.ts"
import { createAdminClient } from "./createAdminClient.ts"
import { answersAlone, type SoakLoad, startSoakStreams } from "./startSoakStreams.ts"

export interface LossesOptions extends SoakLoad {
  readonly adminUrl: string
  readonly numStreams: number
  readonly numLosses: number
  readonly seed: number
  readonly onLoss?: (numDone: number) => void
}

export interface LossesResult {
  /** How often the engine says that the device was lost. */
  readonly numLosses: number
  readonly numAnswers: number
  /** Those of them that were compared, to the letter, with what they are on a device that is not lost: all. */
  readonly numCompared: number
  /** What clients noticed, one line each; empty where all is well. */
  readonly losses: readonly string[]
  /** What was held at the end and not before, one line each. */
  readonly leaks: readonly string[]
  /** The longest silence of any stream, in ms, one of each loss: before it, until all streams have gone on without the device, and from then until all have gone on with it again. */
  readonly silencesMs: Readonly<Record<"before" | "lost" | "back", readonly number[]>>
  /** From a loss to the device's return, and parts of it: opening it, meanwhile streams go on; a probe, and uploads, between steps. */
  readonly awayMs: readonly number[]
  readonly openingMs: readonly number[]
  readonly probeMs: readonly number[]
  readonly uploadMs: readonly number[]
  /** Experts on the device when it was lost. */
  readonly numExperts: readonly number[]
  /** The engine's resident memory after each loss. */
  readonly residentBytes: readonly number[]
}

interface DeviceReport {
  readonly state: string
  readonly usedBytes: number
  readonly numExperts: number
  readonly numLosses: number
}

/** Pieces of text after which a stream is taken to have gone on. */
const PIECES = 3
/** Most pieces of each stream between a device's return and its next loss. */
const MOST_PIECES = 8
/** Software adapters take seconds for what a device does in milliseconds. */
const PATIENCE_MS = 120_000
/** Buffers keep the size of the largest step that they saw: of what a device holds, the share that may differ. */
const SAME_BYTES = 0.01
/** Losses by which growth is judged, and the share by which the engine's memory moves without. */
const LEAST_OF_GROWTH = 40
const SAME_RESIDENT = 0.05
const BACK = /opening (\d+) ms, probe (\d+) ms, uploads (\d+) ms/

export async function runLosses(options: LossesOptions): Promise<LossesResult> {
  const { adminUrl, numLosses, seed, signal, onLoss } = options
  const random = createRandom(seed)
  const admin = createAdminClient(adminUrl)
  const expected = await answersAlone(options)
  const arenaBytes = (await readExperts(admin)).usedBytes
  const changes = followDevice(adminUrl, signal)
  const before = await quietBytes(options, admin)

  const streams = startSoakStreams({ ...options, expected, patienceMs: PATIENCE_MS, isExact: () => true })
  const { losses } = streams
  const silencesMs = { before: [] as number[], lost: [] as number[], back: [] as number[] }
  const [awayMs, numExperts, residentBytes]: [number[], number[], number[]] = [[], [], []]
  let backMs = performance.now()
  try {
    for (let n = 1; n <= numLosses && !signal.aborted; n++) {
      const pieces = PIECES + Math.floor(random() * MOST_PIECES)
      if (!(await streams.untilAllHave(pieces, backMs))) losses.push(`before loss ${n}: a stream did not go on`)
      const lostMs = performance.now()
      silencesMs.before.push(streams.longestSilence(backMs))
      numExperts.push((await readExperts(admin)).gpu.numExperts)
      streams.forget()
      const endedBefore = streams.numEnded.slice()
      await loseDevice(admin)
      const hasGoneOn = await streams.untilAllHave(PIECES, lostMs)
      const wentOnMs = performance.now()
      silencesMs.lost.push(streams.longestSilence(lostMs, wentOnMs))
      // The answers that it fell into are ended, and compared, before the next.
      if (!(hasGoneOn && (await streams.untilAllEnded(endedBefore))))
        losses.push(`after loss ${n}: a stream did not go on`)
      await untilInUse(admin, signal)
      backMs = performance.now()
      awayMs.push(backMs - lostMs)
      if (!(await streams.untilAllHave(PIECES, backMs))) losses.push(`after return ${n}: a stream did not go on`)
      silencesMs.back.push(streams.longestSilence(wentOnMs))
      streams.forget()
      backMs = performance.now()
      residentBytes.push(await readResidentBytes(admin))
      onLoss?.(n)
    }
  } finally {
    // Streams that nobody ends would ask for ever.
    await streams.end()
  }
  const after = await quietBytes(options, admin)
  const { usedBytes, gpu } = await readExperts(admin)
  const returns = changes().flatMap((detail) => {
    const found = BACK.exec(detail)
    return found === null ? [] : [found.slice(1).map(Number)]
  })
  return {
    // Those by which memory was measured are not counted.
    numLosses: gpu.numLosses - 2,
    numAnswers: streams.numAnswers,
    numCompared: streams.numCompared,
    losses,
    leaks: [
      ...(usedBytes === arenaBytes ? [] : [`experts hold ${usedBytes} bytes, ${arenaBytes} before`]),
      ...(after <= before * (1 + SAME_BYTES) ? [] : [`the device holds ${after} bytes, ${before} before`]),
      ...describeGrowth(residentBytes),
    ],
    silencesMs,
    awayMs,
    openingMs: returns.map(([opening]) => opening!),
    probeMs: returns.map(([, probe]) => probe!),
    uploadMs: returns.map(([, , uploads]) => uploads!),
    numExperts,
    residentBytes,
  }
}

/** Compares the engine's memory in the last quarter of the losses with the second: what is used once is there by then. */
function describeGrowth(residentBytes: readonly number[]): string[] {
  if (residentBytes.length < LEAST_OF_GROWTH) return []
  const at = (share: number): number => Math.floor(residentBytes.length * share)
  const [early, late] = [residentBytes.slice(at(0.25), at(0.5)), residentBytes.slice(at(0.75))].map(
    (samples) => summarise(samples).median,
  ) as [number, number]
  return late <= early * (1 + SAME_RESIDENT) ? [] : [`the engine holds ${late} bytes, ${early} in the second quarter`]
}

type Admin = ReturnType<typeof createAdminClient>

const loseDevice = (admin: Admin): Promise<void> =>
  admin.post("faults", { kind: "kill-host", layer: 0, expert: 0, count: 1 })

/** @throws Error where the engine has no GPU */
async function readExperts(admin: Admin): Promise<{ readonly usedBytes: number; readonly gpu: DeviceReport }> {
  const { residency } = (await admin.read("experts")) as {
    readonly residency: { readonly usedBytes: number; readonly gpu: DeviceReport | null }
  }
  const { usedBytes, gpu } = residency
  if (gpu === null) throw new Error("expected an engine on a GPU, found one without")
  return { usedBytes, gpu }
}

async function readResidentBytes(admin: Admin): Promise<number> {
  const { status } = (await admin.read("status")) as { readonly status: { readonly residentBytes: number } }
  return status.residentBytes
}

async function untilInUse(admin: Admin, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && (await readExperts(admin)).gpu.state !== "in-use") await Bun.sleep(10)
}

/** Returns what a device holds that was opened anew, and has answered each call alone. */
async function quietBytes(options: LossesOptions, admin: Admin): Promise<number> {
  const { numLosses } = (await readExperts(admin)).gpu
  await loseDevice(admin)
  // Nobody notices before the next step.
  while ((await readExperts(admin)).gpu.numLosses === numLosses) await answersAlone(options)
  await untilInUse(admin, options.signal)
  await answersAlone(options)
  await answersAlone(options)
  return (await readExperts(admin)).gpu.usedBytes
}

/** Listens to what the engine tells of its device; the function returned says what came so far. */
function followDevice(adminUrl: string, signal: AbortSignal): () => readonly string[] {
  const details: string[] = []
  const listen = async (): Promise<void> => {
    const { body } = await fetch(`${adminUrl}/admin/models/default/events`, { signal })
    let pending = ""
    for await (const text of body!.pipeThrough(new TextDecoderStream())) {
      const lines = (pending + text).split("\n")
      pending = lines.pop()!
      for (const line of lines) {
        if (!line.startsWith("data:")) continue
        const { change, detail } = JSON.parse(line.slice("data:".length)) as { change: string; detail: string }
        if (change === "device") details.push(detail)
      }
    }
  }
  // The service's end, and a run that is ended, break it off.
  listen().catch(() => {})
  return () => details
}
