import { formatsName, loadModelConfig, modelFormats } from "@consilium/model"
import { type EngineModel, parseDense } from "../engineModel.ts"
import type { SuiteOptions } from "../Suite.ts"
import { peersDir } from "./installPeers.ts"
import { type EngineSetup, type SpawnedEngine, spawnEngine } from "./spawnEngine.ts"

/** Engines by the name under which they are recorded; ours is the first. */
export type Engines = ReadonlyMap<string, SpawnedEngine>

/** What engines must have room for. */
export interface EngineWork {
  readonly maxStreams: number
  readonly promptLength: number
  readonly numSteps: number
}

/** The recorded name of the one peer there is. */
export const LLAMA = "node-llama-cpp Q4_0"

/** The recorded name of our engine. */
function ourName({ backend, format, flags }: Pick<SuiteOptions, "backend" | "format" | "flags">): string {
  return `${backend} ${formatsName(modelFormats(format, parseDense(flags.dense)))}`
}

/**
 * Starts our engine and, where there is a GGUF file for it and it is wanted, node-llama-cpp; each in a process of its own.
 *
 * @throws Error in the words of the one that does not start; the others are ended
 */
export async function startEngines(
  model: EngineModel,
  work: EngineWork,
  hasPeer: boolean,
  options: SuiteOptions,
): Promise<Engines> {
  const { root, backend, numThreads, signal, report } = options
  const { maxStreams, promptLength, numSteps } = work
  // Each stream makes a step after its prompt, and warms up with some.
  const capacity = promptLength + numSteps + 1
  const common = { numThreads, promptLength, capacity }
  const { preparedDir, sourceDir, ggufPath } = model
  const setups: [name: string, EngineSetup][] = [
    [ourName(options), { kind: "consilium", options: { ...common, preparedDir, sourceDir, backend, maxStreams } }],
  ]
  if (hasPeer && ggufPath !== undefined) {
    const { vocabSize } = loadModelConfig(sourceDir).config
    setups.push([
      LLAMA,
      { kind: "node-llama-cpp", options: { ...common, ggufPath, vocabSize, peersDir: peersDir(root) } },
    ])
  }
  const engines = new Map<string, SpawnedEngine>()
  try {
    for (const [name, setup] of setups) {
      report(`loading ${name}`)
      engines.set(name, await spawnEngine(setup, signal))
    }
    return engines
  } catch (error) {
    for (const started of engines.values()) await started.close()
    throw error
  }
}
