import { openForeignModel } from "@consilium/onnx"
import type { EngineStart } from "../engine/EngineStart.ts"
import type { EngineModel } from "../engine/loadEngineModel.ts"
import { LEAST_CONTEXT, measureReserve, mib } from "../engine/planMemory.ts"
import { createDecoderModel } from "./createDecoderModel.ts"
import { type DecoderShape, describeDecoder } from "./describeDecoder.ts"
import { knownContext, onnxConfig, usualContext, wholeNumber } from "./onnxContext.ts"
import { onnxModelBytes, SESSION_SHARE } from "./onnxFiles.ts"

/** Rows of the largest step: plain exports compute the whole vocabulary's logits for each. */
const MAX_ROWS = 128
/** Contexts take this share of what memory leaves, as those of our own models do. */
const STATE_SHARE = 0.5

/**
 * Loads a user's decoder within the memory setting.
 *
 * @throws Error in one line: a file that onnxruntime does not load, a model of another form, a context that does not fit
 */
export function loadOnnxModel(start: EngineStart, path: string): EngineModel {
  const reserveBytes = measureReserve()
  const decoder = open(path, start.numThreads)
  try {
    const config = onnxConfig(path)
    const shape = describeDecoder(decoder, path, wholeNumber(config.vocab_size))
    const weightBytes = onnxModelBytes(path)
    const available = start.memoryBytes - reserveBytes - SESSION_SHARE * weightBytes
    const capacity = planContext(start, shape, config, available)
    const { numSlots } = start
    return {
      model: createDecoderModel(decoder, shape, {
        numSlots,
        capacity,
        maxRows: Math.max(numSlots, Math.min(MAX_ROWS, capacity)),
      }),
      backend: "onnx",
      experts: undefined,
      device: undefined,
      weightBytes,
      format: "as exported",
      reason: "onnx: the model is one of its own",
      isSecondBest: false,
      close: decoder.close,
    }
  } catch (error) {
    decoder.close()
    throw error
  }
}

function open(path: string, numThreads: number) {
  try {
    return openForeignModel(path, numThreads)
  } catch (error) {
    const words = (error as Error).message.split("\n")[0]!
    throw new Error(`${path}: expected an ONNX model, found one that onnxruntime refuses: ${words}`, { cause: error })
  }
}

/** @param available bytes for contexts */
function planContext(
  { contextLength: wanted, numSlots, memoryBytes }: EngineStart,
  { cache, vocabSize }: DecoderShape,
  config: Readonly<Record<string, unknown>>,
  available: number,
): number {
  const known = knownContext(config)
  if (wanted !== undefined && known !== undefined && wanted > known)
    throw new Error(`context: the model knows ${known} positions, ${wanted} were asked for`)
  // What remembers nothing gives the logits of the whole text. What does writes beside what it reads.
  const logitBytes = 4 * vocabSize
  const perPosition = cache.length === 0 ? logitBytes : (numSlots + 1) * cacheBytes(cache)
  const forContexts = available - (cache.length === 0 ? 0 : MAX_ROWS * logitBytes)
  const left = Math.floor((forContexts * (wanted === undefined ? STATE_SHARE : 1)) / perPosition)
  const capacity = wanted ?? usualContext(config)
  if (left >= capacity) return capacity
  if (wanted === undefined && left >= Math.min(LEAST_CONTEXT, capacity)) return left
  throw new Error(
    `memory: ${mib(memoryBytes)} have room for ${Math.max(0, left)} positions of ${numSlots} streams beside the weights: raise --memory, or lower --context or --max-streams`,
  )
}

function cacheBytes(cache: DecoderShape["cache"]): number {
  return cache.reduce((sum, { type, numHeads, headSize }) => sum + numHeads * headSize * (type === "f32" ? 4 : 2), 0)
}
