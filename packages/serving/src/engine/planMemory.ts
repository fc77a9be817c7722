/** How the engine's memory is shared out: dense weights and contexts first, experts what is left. */
import type { Arena, Backend } from "@consilium/kernels"
import { type PreparedModel, stateBytesPerPosition, weightBytes } from "@consilium/model"
import type { EngineStart } from "./EngineStart.ts"

/** A context chosen for the user leaves this share of what memory the weights leave to other things. */
const STATE_SHARE = 0.5
/** Where experts do not all fit, contexts take this share of what the dense weights leave: an expert that sleeps costs time, a long context is rarely used. */
const PAGED_STATE_SHARE = 0.2
export const LEAST_CONTEXT = 256
/** What the process grows by beside the arena: code, the JavaScript heap, threads' stacks. */
const GROWTH_BYTES = 96 * 2 ** 20

/** Bytes as errors say them. */
export const mib = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`

/** Bytes of the process that are not for weights and contexts: what it has before any is there, and what it grows by. */
export function measureReserve(): number {
  return process.memoryUsage.rss() + GROWTH_BYTES
}

/**
 * Decides how long sequences may be: what was asked for, or as much of the model's own as memory allows.
 *
 * @throws Error in one line where memory holds neither
 */
export function planContext(
  prepared: PreparedModel,
  { memoryBytes, numSlots, contextLength: wanted }: EngineStart,
  reserveBytes: number,
  backend: Pick<Backend, "cacheFormats">,
): number {
  const { config } = prepared
  const weights = weightBytes(prepared)
  const available = memoryBytes - reserveBytes
  const least = weights.all - weights.experts + fewestExpertBytes(prepared)
  if (available < least)
    throw new Error(
      `memory: the process and what is awake at least take ${mib(reserveBytes + least)}, the setting allows ${mib(memoryBytes)}: raise --memory, or try --format int4`,
    )

  const perPosition = stateBytesPerPosition(prepared, backend)
  const holdsAll = available > weights.all
  if (wanted !== undefined) {
    if (wanted > config.contextLength)
      throw new Error(`context: the model knows ${config.contextLength} positions, ${wanted} were asked for`)
    const needed = wanted * perPosition * numSlots
    if (needed <= available - least) return wanted
    throw new Error(
      `context: ${numSlots} streams of ${wanted} positions take ${mib(needed)}, ${mib(available - least)} are left beside the weights: lower --context or --max-streams, or raise --memory`,
    )
  }
  const left = holdsAll
    ? (available - weights.all) * STATE_SHARE
    : Math.min(available - least, (available - weights.all + weights.experts) * PAGED_STATE_SHARE)
  const capacity = Math.min(config.contextLength, Math.floor(left / perPosition / numSlots))
  if (capacity >= Math.min(LEAST_CONTEXT, config.contextLength)) return capacity
  throw new Error(
    `memory: ${numSlots} streams have room for ${capacity} positions each beside the weights: raise --memory, or lower --max-streams`,
  )
}

/**
 * Bytes that awake experts may hold, once everything else has its place in the arena.
 *
 * @throws Error in one line where one token's experts do not fit
 */
export function expertBudget(prepared: PreparedModel, memoryBytes: number, reserveBytes: number, arena: Arena): number {
  const budget = memoryBytes - reserveBytes - arena.usedBytes
  const least = fewestExpertBytes(prepared)
  if (budget >= least) return budget
  throw new Error(
    `memory: ${mib(memoryBytes)} leave ${mib(Math.max(0, budget))} for experts beside all else, one token's take ${mib(least)}: raise --memory, or lower --context or --max-streams`,
  )
}

/** Experts of which a step can make do: those of one token in one layer. */
function fewestExpertBytes({ config, layers }: PreparedModel): number {
  return layers.reduce((most, { router, experts }, l) => {
    const { feedForward } = config.layers[l]!
    if (router === undefined || feedForward.kind !== "moe") return most
    const largest = experts.reduce((bytes, entry) => Math.max(bytes, entry.bytes), 0)
    return Math.max(most, largest * feedForward.topK)
  }, 0)
}
