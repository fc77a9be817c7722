import { loadModelConfig } from "@consilium/model"
import { describeVariant, type EngineModel, MODEL_FLAGS, nameModel, prepareEngineModel } from "./engineModel.ts"
import { decodeMeasurements, describeStreams, memoryMeasurements, prefillMeasurements } from "./engines/describeRace.ts"
import { installPeers, parsePeers, peerVersion } from "./engines/installPeers.ts"
import { raceEngines } from "./engines/raceEngines.ts"
import { runLlamaBench } from "./engines/runLlamaBench.ts"
import { type Engines, LLAMA, startEngines } from "./engines/startEngines.ts"
import type { MemoryUse } from "./engines/TimedEngine.ts"
import { measureLimits } from "./measureLimits.ts"
import type { Measurement, Suite, SuiteOptions } from "./Suite.ts"

const PROMPT_LENGTH = 512
const NUM_STEPS = 128
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
  modelName: nameModel,
  variant: describeVariant,
  versions: ({ root, flags }) => (parsePeers(flags.peers).length === 0 ? {} : { "node-llama-cpp": peerVersion(root) }),
  async *run(options) {
    const { root, flags, numThreads, signal, expect, report } = options
    const obstacle = parsePeers(flags.peers).length === 0 ? "not asked for" : installPeers(root, report)
    const model = await prepareEngineModel(options, obstacle === undefined || flags.ik !== undefined)
    if (flags.peers !== undefined) tellSkipped(LLAMA, obstacle ?? model.ggufObstacle)

    const work = { promptLength: promptLengthOf(model), numSteps: NUM_STEPS }
    const engines = await startEngines(model, { ...work, maxStreams: MAX_STREAMS }, obstacle === undefined, options)
    const readers = { name: MACHINE, contender: `read, ${numThreads} threads` }
    const rivals = [...[...engines.keys()].slice(1), ...(flags.ik === undefined ? [] : [IK])]
    try {
      const numOthers = 1 + (flags.ik === undefined ? 0 : 2)
      expect(engines.size * (RACES.length + 3) + RACES.length + numOthers)
      for (const { numStreams, numRounds } of RACES) {
        report(`warming up, ${describeStreams(numStreams)}`)
        await warmUp(engines, numStreams, work.promptLength, signal)
        if (numStreams === 1) yield* memoryMeasurements(await readMemory(engines), rivals)
        const before = numStreams === 1 ? measureLimits(numThreads) : undefined
        report(`prefill ${work.promptLength} and decode, ${describeStreams(numStreams)}`)
        const race = await raceEngines(engines, { ...work, numStreams, numRounds, signal })
        // Memory's speed moves with whoever else uses it: it is taken right before and right after what is held against it.
        const after = numStreams === 1 ? measureLimits(numThreads) : undefined
        if (before !== undefined && after !== undefined)
          yield { ...readers, unit: "GB/s", samples: [...before.readAllThreads, ...after.readAllThreads] }
        if (numStreams === 1) yield* prefillMeasurements(race, work.promptLength, rivals)
        yield* decodeMeasurements(race, numStreams, rivals, readers)
      }
    } finally {
      for (const started of engines.values()) await started.close()
    }
    if (flags.ik !== undefined) yield* measureIk(model, flags.ik, work, options)
  },
}

function promptLengthOf({ sourceDir }: EngineModel): number {
  const { contextLength } = loadModelConfig(sourceDir).config
  return Math.min(PROMPT_LENGTH, contextLength - NUM_STEPS - 1)
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
  work: { readonly promptLength: number; readonly numSteps: number },
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

/** Says once, where it stays to be read, why an engine that was asked for does not run. */
function tellSkipped(name: string, obstacle: string | undefined): void {
  if (obstacle !== undefined) console.error(`\n  ${name} is skipped: ${obstacle}`)
}
