import { type Backend, createArena } from "@consilium/kernels"
import {
  createTransformer,
  formatsName,
  openPreparedModel,
  stateBytesPerPosition,
  type Transformer,
  weightBytes,
  type PreparedModel,
} from "@consilium/model"
import { chooseBackend } from "./chooseBackend.ts"
import type { EngineStart } from "./EngineStart.ts"

/** A model that is ready for steps. */
export interface EngineModel {
  readonly transformer: Transformer
  readonly backend: Backend
  /** As `formatsName` gives it. */
  readonly format: string
  /** Which backend, and why. */
  readonly reason: string
  readonly isSecondBest: boolean
  close(): void
}

/** Rows of the largest step: prefill beyond it comes in chunks. */
const MAX_ROWS = 512
/** A context chosen for the user leaves this share of what memory the weights leave to other things. */
const STATE_SHARE = 0.5
const LEAST_CONTEXT = 256

/**
 * Loads a prepared model within the memory setting.
 *
 * @throws Error in one line: weights or context that do not fit, a damaged prepared model, a backend that cannot run
 */
export async function loadEngineModel(
  start: EngineStart,
  onProgress: (done: number, total: number) => void,
): Promise<EngineModel> {
  const prepared = openPreparedModel(start.preparedDir, start.sourceDir)
  const arena = createArena({ limitBytes: start.memoryBytes })
  let backend: Backend | undefined
  try {
    const { capacity, numSlots } = planContext(prepared, start)
    const chosen = await chooseBackend(arena, start)
    backend = chosen.backend
    const maxRows = Math.max(numSlots, Math.min(MAX_ROWS, capacity))
    const transformer = createTransformer({ prepared, backend, numSlots, capacity, maxRows, onProgress })
    const opened = backend
    return {
      transformer,
      backend,
      format: formatsName(prepared),
      reason: chosen.reason,
      isSecondBest: chosen.isSecondBest,
      close() {
        transformer.close()
        opened.close()
        arena.close()
        prepared.close()
      },
    }
  } catch (error) {
    backend?.close()
    arena.close()
    prepared.close()
    throw error
  }
}

/** Decides how long sequences may be: what was asked for, or as much of the model's own as memory allows. */
function planContext(
  prepared: PreparedModel,
  { memoryBytes, numSlots, contextLength: wanted }: EngineStart,
): { capacity: number; numSlots: number } {
  const { config } = prepared
  const mib = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`
  const weights = weightBytes(prepared)
  const left = memoryBytes - weights
  if (left <= 0)
    throw new Error(
      `memory: the weights take ${mib(weights)}, the setting allows ${mib(memoryBytes)}: raise --memory, or try --format int4`,
    )

  const perPosition = stateBytesPerPosition(config)
  if (wanted !== undefined) {
    if (wanted > config.contextLength)
      throw new Error(`context: the model knows ${config.contextLength} positions, ${wanted} were asked for`)
    const needed = wanted * perPosition * numSlots
    if (needed <= left) return { capacity: wanted, numSlots }
    throw new Error(
      `context: ${numSlots} streams of ${wanted} positions take ${mib(needed)}, ${mib(left)} are left beside the weights: lower --context or --max-streams, or raise --memory`,
    )
  }
  const affordable = Math.floor((left * STATE_SHARE) / perPosition / numSlots)
  const capacity = Math.min(config.contextLength, affordable)
  if (capacity >= Math.min(LEAST_CONTEXT, config.contextLength)) return { capacity, numSlots }
  throw new Error(
    `memory: ${numSlots} streams have room for ${capacity} positions each beside the weights: raise --memory, or lower --max-streams`,
  )
}
