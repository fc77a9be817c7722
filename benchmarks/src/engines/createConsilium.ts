import { createArena } from "@consilium/kernels"
import {
  createTransformer,
  openPreparedModel,
  type PreparedModel,
  type Transformer,
  weightBytes,
} from "@consilium/model"
import { type BenchedBackend, createBackend } from "../createBackend.ts"
import { type TimedEngine, tokenId } from "./TimedEngine.ts"

export interface ConsiliumOptions {
  readonly preparedDir: string
  /** The checkpoint it was made from, or its config.json alone. */
  readonly sourceDir: string
  readonly backend: BenchedBackend
  readonly numThreads: number
  readonly maxStreams: number
  readonly promptLength: number
  /** Most positions of a sequence. */
  readonly capacity: number
}

/** Creates our own engine's step, without service, sampling or text. */
export function createConsilium(options: ConsiliumOptions): TimedEngine & { close(): void } {
  const { maxStreams, capacity, promptLength } = options
  const prepared = openPreparedModel(options.preparedDir, options.sourceDir)
  const arena = createArena({})
  const backend = createBackend(options.backend, arena, options.numThreads)
  const maxRows = Math.max(promptLength, maxStreams)
  const transformer = createTransformer({ prepared, backend, numSlots: maxStreams, capacity, maxRows })
  const { vocabSize } = prepared.config
  const ids = new Int32Array(maxRows)
  const bytesOfStep = countBytes(prepared, transformer)
  let numStreams = 0
  let position = 0

  const prefill = (numRows: number): number => {
    for (let i = 0; i < numRows; i++) ids[i] = tokenId(0, i, vocabSize)
    const slot = { slotId: 0, firstRow: 0, numRows, pastLength: 0, wantsLogits: true }
    return time(() => transformer.run({ numRows, ids, slots: [slot] }))
  }

  const stepOnce = (): number => {
    for (let stream = 0; stream < numStreams; stream++) ids[stream] = tokenId(stream, position, vocabSize)
    const slots = Array.from({ length: numStreams }, (_, slotId) => ({
      slotId,
      firstRow: slotId,
      numRows: 1,
      pastLength: position,
      wantsLogits: true,
    }))
    const ms = time(() => transformer.run({ numRows: numStreams, ids, slots }))
    position++
    return ms
  }

  return {
    async begin(streams, numRows) {
      const prefillMs = prefill(numRows)
      const tokensPerExpert = countTokens(transformer)
      for (let slot = 1; slot < streams; slot++) transformer.copyPrefix(0, slot, numRows)
      numStreams = streams
      position = numRows
      return { prefillMs, firstStepMs: stepOnce(), tokensPerExpert }
    },
    async step(numSteps) {
      const ms: number[] = []
      const bytes: number[] = []
      for (let i = 0; i < numSteps; i++) {
        ms.push(stepOnce())
        bytes.push(bytesOfStep())
      }
      return { ms, weightBytes: bytes }
    },
    async memory() {
      Bun.gc(true)
      return { residentBytes: process.memoryUsage.rss(), weightBytes: weightBytes(prepared).all }
    },
    close() {
      transformer.close()
      backend.close()
      arena.close()
      prepared.close()
    },
  }
}

function time(run: () => void): number {
  const started = performance.now()
  run()
  return performance.now() - started
}

/** Returns what counts the bytes of weights that the last step read: all dense parts, and the experts that were chosen. */
function countBytes({ layers, head }: PreparedModel, { routing }: Transformer): () => number {
  const headBytes = head.parts.reduce((sum, { slab }) => sum + slab.bytes, 0)
  const denseBytes = layers.reduce(
    (sum, { qkv, outProj, router, sharedExpert }) =>
      sum + qkv.bytes + outProj.bytes + (router?.bytes ?? 0) + (sharedExpert?.bytes ?? 0),
    headBytes,
  )
  return () =>
    layers.reduce((sum, { experts }, layer) => {
      const routed = routing(layer)
      const numChosen =
        routed === undefined ? 1 : new Set(routed.expertIds.subarray(0, routed.numTokens * routed.topK)).size
      return sum + numChosen * experts[0]!.bytes
    }, denseBytes)
}

function countTokens({ config, routing }: Transformer): number[][] {
  return config.layers.flatMap(({ feedForward }, layer) => {
    const routed = routing(layer)
    if (feedForward.kind === "dense" || routed === undefined) return []
    const counts = Array.from({ length: feedForward.numExperts }, () => 0)
    for (const expertId of routed.expertIds.subarray(0, routed.numTokens * routed.topK)) counts[expertId]!++
    return [counts]
  })
}
