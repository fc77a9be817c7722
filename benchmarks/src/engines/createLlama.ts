import { modelWord } from "@consilium/gpu"
import { statSync } from "node:fs"
import { type TimedEngine, tokenId } from "./TimedEngine.ts"

export interface LlamaOptions {
  /** Where node-llama-cpp is installed. */
  readonly peersDir: string
  readonly ggufPath: string
  readonly vocabSize: number
  readonly numThreads: number
  readonly promptLength: number
  /** Most positions of a sequence. */
  readonly capacity: number
  /** The GPU that all of the model must run on; the processor unless given. */
  readonly device?: string
}

/** The binding under `LlamaContext`: llama_decode and nothing around it. Private to the package, hence its exact version. */
interface AddonContext {
  initBatch(numTokens: number): void
  addToBatch(sequenceId: number, position: number, ids: Uint32Array, logitIndexes: Uint32Array): Uint32Array
  decodeBatch(): Promise<void>
  disposeSequence(sequenceId: number): void
  copySequenceStateFromOtherSequence(to: number, from: number): Promise<number>
}

interface LlamaContext {
  readonly currentThreads: number
  readonly _ctx: AddonContext
  dispose(): Promise<void>
}

interface LlamaModule {
  readonly LlamaLogLevel: { readonly error: unknown }
  getLlama(options: object): Promise<{
    getGpuDeviceNames(): Promise<string[]>
    loadModel(options: object): Promise<{ createContext(options: object): Promise<LlamaContext> }>
  }>
}

/**
 * Creates llama.cpp behind node-llama-cpp, at its best for this work.
 *
 * A context for exactly as many sequences as decode together; one batch for the whole prompt; flash attention as llama.cpp chooses; logits
 * of the last token only; llama_decode called directly, which spares the package's queue and its sampler. The file is read, not
 * mapped: as fast once loaded, and a third less resident memory, since weights are repacked anyway. On a GPU all layers are its own.
 */
export async function createLlama(options: LlamaOptions): Promise<TimedEngine> {
  const { ggufPath, vocabSize, numThreads, promptLength, capacity, device } = options
  const { getLlama, LlamaLogLevel } = (await import(Bun.resolveSync("node-llama-cpp", options.peersDir))) as LlamaModule
  const llama = await getLlama({
    gpu: device === undefined ? false : "vulkan",
    build: "never",
    skipDownload: true,
    maxThreads: numThreads,
    logLevel: LlamaLogLevel.error,
    // Standard output is for answers.
    logger: (_level: unknown, message: string) => console.error(message),
  })
  if (device !== undefined) checkDevices(await llama.getGpuDeviceNames(), device)
  const gpuLayers = device === undefined ? 0 : "max"
  const model = await llama.loadModel({ modelPath: ggufPath, gpuLayers, useMmap: false })
  let context: LlamaContext | undefined
  let numStreams = 0
  let position = 0

  const open = async (sequences: number): Promise<AddonContext> => {
    if (context !== undefined && sequences === numStreams) return context._ctx
    await context?.dispose()
    context = await model.createContext({
      sequences,
      contextSize: capacity,
      batchSize: promptLength,
      threads: { ideal: numThreads, min: numThreads },
    })
    numStreams = sequences
    return context._ctx
  }

  const prefill = async (addon: AddonContext, numTokens: number): Promise<number> => {
    const ids = Uint32Array.from({ length: numTokens }, (_, i) => tokenId(0, i, vocabSize))
    const started = performance.now()
    addon.initBatch(numTokens)
    addon.addToBatch(0, 0, ids, Uint32Array.of(numTokens - 1))
    await addon.decodeBatch()
    return performance.now() - started
  }

  const stepOnce = async (addon: AddonContext): Promise<number> => {
    const started = performance.now()
    addon.initBatch(numStreams)
    for (let stream = 0; stream < numStreams; stream++)
      addon.addToBatch(stream, position, Uint32Array.of(tokenId(stream, position, vocabSize)), Uint32Array.of(0))
    await addon.decodeBatch()
    position++
    return performance.now() - started
  }

  return {
    async begin(streams, numTokens) {
      const addon = await open(streams)
      for (let stream = 0; stream < streams; stream++) addon.disposeSequence(stream)
      const prefillMs = await prefill(addon, numTokens)
      if (device === undefined) checkThreads(context!, numThreads)
      for (let stream = 1; stream < streams; stream++) await addon.copySequenceStateFromOtherSequence(stream, 0)
      position = numTokens
      return { prefillMs, firstStepMs: await stepOnce(addon) }
    },
    async step(numSteps) {
      const ms: number[] = []
      for (let i = 0; i < numSteps; i++) ms.push(await stepOnce(await open(numStreams)))
      return { ms }
    },
    async memory() {
      return { residentBytes: process.memoryUsage.rss(), weightBytes: statSync(ggufPath).size }
    },
  }
}

/** The package takes its thread count as a hint. */
function checkThreads({ currentThreads }: LlamaContext, numThreads: number): void {
  if (currentThreads !== numThreads)
    throw new Error(`llama.cpp runs on ${currentThreads} threads instead of ${numThreads}: nothing to compare`)
}

/** It would share a model out among all devices that it sees, and sees no software adapter unless it is named. */
export function checkDevices(names: readonly string[], device: string): void {
  if (names.length === 1 && modelWord(names[0]!) === device) return
  const found = names.length === 0 ? "none" : names.join(", ")
  throw new Error(
    `llama.cpp was expected to see ${device} alone, and sees ${found}: name it by its number, GGML_VK_VISIBLE_DEVICES=0`,
  )
}
