import { findGpuAdapter } from "@consilium/gpu"
import { formatsName, loadModelConfig, modelFormats } from "@consilium/model"
import { type EngineModel, parseDense } from "../engineModel.ts"
import type { SuiteOptions } from "../Suite.ts"
import { type PeerBuild, peersDir } from "./installPeers.ts"
import { type EngineSetup, type SpawnedEngine, spawnEngine } from "./spawnEngine.ts"
import { tellSkipped } from "./tellSkipped.ts"

/** Engines by the name under which they are recorded; ours is the first. */
export type Engines = ReadonlyMap<string, SpawnedEngine>

/** What engines must have room for. */
export interface EngineWork {
  readonly maxStreams: number
  readonly promptLength: number
  readonly numSteps: number
}

/** The recorded name of the one peer there is, by its build. */
export const LLAMA: Readonly<Record<PeerBuild, string>> = {
  cpu: "node-llama-cpp Q4_0",
  vulkan: "node-llama-cpp Vulkan Q4_0",
}

/** The recorded name of our engine. */
function ourName({ backend, format, flags }: Pick<SuiteOptions, "backend" | "format" | "flags">): string {
  return `${backend} ${formatsName(modelFormats(format, parseDense(flags.dense)))}`
}

/**
 * Starts our engine and, where there is a GGUF file for it and it is wanted, node-llama-cpp; each in a process of its own. A peer that does not start is left out, and says why.
 *
 * @param peer the build of it that is installed; undefined where it is not wanted
 * @throws Error in our engine's words when it does not start
 */
export async function startEngines(
  model: EngineModel,
  work: EngineWork,
  peer: PeerBuild | undefined,
  options: SuiteOptions,
): Promise<Engines> {
  const { root, backend, numThreads, signal, report } = options
  const { maxStreams, promptLength, numSteps } = work
  // Each stream makes a step after its prompt, and warms up with some.
  const capacity = promptLength + numSteps + 1
  const common = { numThreads, promptLength, capacity }
  const { preparedDir, sourceDir, ggufPath } = model
  const start = (name: string, setup: EngineSetup): Promise<SpawnedEngine> => {
    report(`loading ${name}`)
    return spawnEngine(setup, signal)
  }
  const name = ourName(options)
  const ours = { ...common, preparedDir, sourceDir, backend, maxStreams }
  const engines = new Map([[name, await start(name, { kind: "consilium", options: ours })]])
  if (peer === undefined || ggufPath === undefined) return engines
  let rival: SpawnedEngine | undefined
  try {
    const { vocabSize } = loadModelConfig(sourceDir).config
    const asked = { ...common, ggufPath, vocabSize, peersDir: peersDir(root, peer) }
    const device = peer === "vulkan" ? { device: findGpuAdapter().model } : {}
    rival = await start(LLAMA[peer], { kind: "node-llama-cpp", options: { ...asked, ...device } })
    // Whether its device has room for its work shows in the first of it only.
    await rival.begin(1, promptLength)
    engines.set(LLAMA[peer], rival)
  } catch (error) {
    await rival?.close()
    if (signal.aborted) {
      await engines.get(name)!.close()
      throw error
    }
    tellSkipped(LLAMA[peer], (error as Error).message)
  }
  return engines
}
