import { residentExperts } from "@consilium/experts"
import { type Backend, createArena, planExpertSlab, type Slab } from "@consilium/kernels"
import {
  createTransformer,
  ensurePrepared,
  type ModelExperts,
  openPreparedModel,
  type PreparedModel,
  type Transformer,
} from "@consilium/model"
import type { ExpertTrace, TraceStep } from "@consilium/scheduling"
import { basename } from "node:path"
import { createBackend } from "../createBackend.ts"
import { createQuestionEncoder } from "../createQuestionEncoder.ts"
import { largestId } from "../largestId.ts"
import type { SuiteOptions } from "../Suite.ts"
import { moeLayersOf, type RecordedLayer } from "./moeLayersOf.ts"

/** Positions of a conversation, template and answer; a step has no more rows. */
const CAPACITY = 512

/** A model's own routing, and the bytes of one of its experts. */
export interface RecordedTrace {
  readonly trace: ExpertTrace
  readonly expertBytes: number
}

/**
 * Has a model answer some questions, greedily and one after the other, and records how each step is routed: a prefill, then a token a step.
 *
 * Forecasts are what the next layer's norm and router choose on the hidden state between attention and experts, one layer before they are right.
 *
 * @throws Error on a model whose layers are dense, or differ in their experts
 */
export async function recordTrace(
  { modelDir, cacheDir, format, backend: backendName, numThreads, signal }: SuiteOptions,
  questions: readonly string[],
  maxTokens: number,
): Promise<RecordedTrace> {
  const { dir } = await ensurePrepared({ sourceDir: modelDir, format, cacheDir, onProgress: () => {} })
  const prepared = openPreparedModel(dir, modelDir)
  const arena = createArena()
  const backend = createBackend(backendName, arena, numThreads)
  try {
    const layers = moeLayersOf(prepared)
    const forecasts = new Map<number, Int32Array>()
    const experts: ModelExperts = {
      source: (layer) => residentExperts(openExperts(prepared, backend, layer)),
      options: () => ({}),
      wantsForesight: () => true,
      foresee: (layer, expertIds, count) => void forecasts.set(layer, expertIds.slice(0, count)),
    }
    const room = { numSlots: 1, capacity: CAPACITY, maxRows: CAPACITY }
    const transformer = createTransformer({ prepared, backend, ...room, experts })
    const steps: TraceStep[] = []
    const run = (ids: readonly number[], pastLength: number): Float32Array => {
      forecasts.clear()
      const slot = { slotId: 0, firstRow: 0, numRows: ids.length, pastLength, wantsLogits: true }
      transformer.run({ numRows: ids.length, ids: Int32Array.from(ids), slots: [slot] })
      steps.push(readStep(transformer, layers, forecasts, ids.length))
      return transformer.logits(0)
    }
    const encode = createQuestionEncoder(modelDir)
    for (const question of questions) {
      signal.throwIfAborted()
      // The model blocks this thread: let Ctrl-C in.
      await Bun.sleep(0)
      answer(run, encode(question), maxTokens, prepared.config.eosIds)
    }
    const { numExperts, topK } = layers[0]!
    const header = { model: basename(modelDir), numLayers: layers.length, numExperts, topK, hasForecasts: true }
    const expertBytes = layers[0]!.prepared.experts[0]!.bytes
    transformer.close()
    return { trace: { header, steps }, expertBytes }
  } finally {
    backend.close()
    arena.close()
    prepared.close()
  }
}

/** Reads a layer's experts, all of them to stay. */
function openExperts(prepared: PreparedModel, backend: Backend, layer: number): Slab[] {
  const targets = prepared.layers[layer]!.experts.map((entry) => {
    return { entry, span: backend.arena.allocate(entry.bytes, "whole") }
  })
  prepared.readSlabs(backend.arena, targets, () => {})
  return targets.map(({ entry: { shape }, span }) => {
    if (shape.kind !== "expert") throw new Error("an expert is no matrix")
    return backend.openSlab(span, planExpertSlab(shape))
  })
}

type Run = (ids: readonly number[], pastLength: number) => Float32Array

function answer(run: Run, prompt: readonly number[], maxTokens: number, eosIds: readonly number[]): void {
  let logits = run(prompt, 0)
  for (let n = 0; n < maxTokens; n++) {
    const id = largestId(logits)
    if (eosIds.includes(id)) return
    logits = run([id], prompt.length + n)
  }
}

function readStep(
  transformer: Transformer,
  layers: readonly RecordedLayer[],
  forecasts: ReadonlyMap<number, Int32Array>,
  numTokens: number,
): TraceStep {
  const { topK } = layers[0]!
  const size = numTokens * topK
  const expertIds = new Int16Array(layers.length * size)
  const forecastIds = new Int16Array(layers.length * size).fill(-1)
  for (const [l, { layer }] of layers.entries()) {
    expertIds.set(transformer.routing(layer)!.expertIds.subarray(0, size), l * size)
    const forecast = forecasts.get(layer)
    if (forecast !== undefined) forecastIds.set(forecast, l * size)
  }
  return { numTokens, expertIds, forecastIds }
}
