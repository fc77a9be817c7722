import { findGpuAdapter, measureGpuLimits } from "@consilium/gpu"
import { loadModelConfig } from "@consilium/model"
import { GPU } from "./createBackend.ts"
import { describeVariant, type EngineModel, MODEL_FLAGS, nameModel, prepareEngineModel } from "./engineModel.ts"
import {
  decodeMeasurements,
  describeStreams,
  memoryMeasurements,
  prefillMeasurements,
  type ReadLimit,
} from "./engines/describeRace.ts"
import { installPeers, parsePeers, peerBuild, peerVersion } from "./engines/installPeers.ts"
import { tellSkipped } from "./engines/tellSkipped.ts"
import { raceEngines } from "./engines/raceEngines.ts"
import { runLlamaBench } from "./engines/runLlamaBench.ts"
import { type Engines, type EngineWork, LLAMA, startEngines } from "./engines/startEngines.ts"
import type { MemoryUse } from "./engines/TimedEngine.ts"
import { measureLimits } from "./measureLimits.ts"
import type { Measurement, Suite, SuiteOptions } from "./Suite.ts"

const WORK = { promptLength: 512, numSteps: 128 }
/** Of a device that the processor computes, whose figures say nothing: so much that all of it runs. */
const SOFTWARE_WORK = { promptLength: 16, numSteps: 4 }
/** How often each engine runs how many streams: a rival takes a minute for a round of 16. */
const RACES = [
  { numStreams: 1, numRounds: 5 },
  { numStreams: 4, numRounds: 3 },
  { numStreams: 16, numRounds: 2 },
] as const
const MAX_STREAMS = 16
/** Longer than any host that waits for work spins. */
const IDLE_MS = 500

const MACHINE = "this machine"
const DEVICE = "this device"
const IK = "ik_llama.cpp Q4_0"

/** The model's step alone, without sampling, HTTP or text: ours and, with the same shape, threads and token ids, rivals'. */
export const engine: Suite = {
  name: "engine",
  question:
    "How many tokens a second does the model's step give, in prefill and for 1, 4 and 16 streams together, how soon is the first token there, and what do rivals give for the same shape?",
  takes: ["model", "format", "backend"],
  compares: false,
  flags: [
    ...MODEL_FLAGS,
    { name: "peers", value: "node-llama-cpp", purpose: "runs the same shape in Q4_0 in turns with us" },
    { name: "ik", value: "<path>", purpose: "llama-bench of an ik_llama.cpp that you built: runs the peer's file" },
  ],
  plot: "bars",
  runsOnGpu: true,
  modelName: nameModel,
  variant: describeVariant,
  versions: ({ root, flags, backend }) =>
    parsePeers(flags.peers).length === 0 ? {} : { "node-llama-cpp": peerVersion(root, peerBuild(backend)) },
  findDevice: ({ backend }) => (backend === GPU ? findGpuAdapter() : undefined),
  async *run(options) {
    const { root, flags, backend, signal, expect, report } = options
    const build = peerBuild(backend)
    const obstacle = parsePeers(flags.peers).length === 0 ? "not asked for" : installPeers(root, build, report)
    const ikPath = backend === GPU ? undefined : flags.ik
    if (flags.ik !== ikPath) tellSkipped(IK, "it runs on the processor")
    const model = await prepareEngineModel(options, obstacle === undefined || ikPath !== undefined)
    if (flags.peers !== undefined) tellSkipped(LLAMA[build], obstacle ?? model.ggufObstacle)

    const isSoftware = backend === GPU && findGpuAdapter().isSoftware
    const work = limitWork(isSoftware ? SOFTWARE_WORK : WORK, model)
    const peer = obstacle === undefined ? build : undefined
    const engines = await startEngines(model, { ...work, maxStreams: MAX_STREAMS }, peer, options)
    const { readers, read } = readLimit(options)
    // What a device holds is not resident.
    const memory = backend === GPU ? 0 : 1
    const rivals = [...[...engines.keys()].slice(1), ...(ikPath === undefined ? [] : [IK])]
    try {
      const numOthers = 1 + (ikPath === undefined ? 0 : 2)
      expect(engines.size * (RACES.length + 2 + memory) + RACES.length + numOthers)
      for (const { numStreams, numRounds: usualRounds } of RACES) {
        const numRounds = isSoftware ? 1 : usualRounds
        report(`warming up, ${describeStreams(numStreams)}`)
        await warmUp(engines, numStreams, work.promptLength, signal)
        if (numStreams === 1 && memory === 1) yield* memoryMeasurements(await readMemory(engines), rivals)
        const before = numStreams === 1 ? read() : undefined
        report(`prefill ${work.promptLength} and decode, ${describeStreams(numStreams)}`)
        const race = await raceEngines(engines, { ...work, numStreams, numRounds, signal })
        // Memory's speed moves with whoever else uses it: it is taken right before and right after what is held against it.
        const after = numStreams === 1 ? read() : undefined
        if (before !== undefined && after !== undefined)
          yield { ...readers, unit: "GB/s", samples: [...before, ...after] }
        if (numStreams === 1) yield* prefillMeasurements(race, work.promptLength, rivals)
        yield* decodeMeasurements(race, numStreams, rivals, readers)
      }
    } finally {
      for (const started of engines.values()) await started.close()
    }
    if (ikPath !== undefined) yield* measureIk(model, ikPath, work, options)
  },
}

/** Names the memory that weights are read from, and what measures its GB/s; that returns undefined where it cannot. */
function readLimit({ backend, numThreads }: Pick<SuiteOptions, "backend" | "numThreads">): {
  readonly readers: ReadLimit
  readonly read: () => readonly number[] | undefined
} {
  if (backend !== GPU) {
    const readers = { name: MACHINE, contender: `read, ${numThreads} threads` }
    return { readers, read: () => measureLimits(numThreads)?.readAllThreads }
  }
  const read = (): number[] => measureGpuLimits().readBytesPerSec.map((perSec) => perSec / 1e9)
  return { readers: { name: DEVICE, contender: "read" }, read }
}

/** Tokens of a prompt, and steps after it. */
type Work = Pick<EngineWork, "promptLength" | "numSteps">

/** Returns the work with a prompt that the model's context has room for. */
function limitWork({ promptLength, numSteps }: Work, { sourceDir }: EngineModel): Work {
  const { contextLength } = loadModelConfig(sourceDir).config
  return { promptLength: Math.min(promptLength, contextLength - numSteps - 1), numSteps }
}

/** Has every page and buffer touched that the race will use. */
async function warmUp(engines: Engines, numStreams: number, promptLength: number, signal: AbortSignal): Promise<void> {
  for (const started of engines.values()) {
    signal.throwIfAborted()
    await started.begin(numStreams, promptLength)
    await started.step(2)
  }
}

async function readMemory(engines: Engines): Promise<ReadonlyMap<string, MemoryUse>> {
  await Bun.sleep(IDLE_MS)
  const memory = new Map<string, MemoryUse>()
  for (const [name, started] of engines) memory.set(name, await started.memory())
  return memory
}

/** Runs ik_llama.cpp when the others have ended: its program loads, measures and ends by itself, so it cannot take turns. */
async function* measureIk(
  { ggufPath, ggufObstacle }: EngineModel,
  path: string,
  work: Work,
  { numThreads, signal, report }: SuiteOptions,
): AsyncIterable<Measurement> {
  if (ggufPath === undefined) return tellSkipped(IK, ggufObstacle)
  report(IK)
  try {
    const numRounds = RACES[0].numRounds
    const { prefill, decode } = await runLlamaBench({ ...work, path, ggufPath, numThreads, numRounds, signal })
    yield { name: `prefill ${work.promptLength}`, contender: IK, unit: "tok/s", samples: prefill }
    yield {
      name: "decode, 1 stream",
      contender: IK,
      unit: "tok/s",
      samples: decode,
      note: "from an empty context on",
    }
  } catch (error) {
    if (signal.aborted) throw error
    tellSkipped(IK, (error as Error).message)
  }
}
