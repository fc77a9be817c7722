import { bf16ToF32, noise } from "@consilium/tensor"
import type { AttentionLayer, SlotRows } from "./Backend.ts"
import type { CacheRows } from "./Arena.ts"
import { type BackendCase, withCaseRows } from "./BackendCase.ts"
import type { CacheFormat } from "./cacheFormat.ts"

/** Positions of a case's cache. */
const CAPACITY = 12
/** Rows of each slot in consecutive calls: their pasts differ from the first call on. */
const STEPS: readonly (readonly number[])[] = [
  [6, 2],
  [1, 5],
  [2, 1],
  [0, 3],
]

interface AttendShape extends Pick<AttentionLayer, "numHeads" | "numKvHeads" | "headDim"> {
  readonly slidingWindow?: number
  readonly norm?: "head" | "projection"
  readonly isInterleaved?: boolean
  readonly rotaryDim?: number
  /** f32 unless given. */
  readonly cacheFormat?: CacheFormat
}

/** Cases of `attend`: two slots with pasts of their own, prefill and decode in one call; outputs and caches are compared. */
export const ATTEND_CASES: readonly BackendCase[] = [
  attendCase("grouped queries", { numHeads: 4, numKvHeads: 2, headDim: 16 }),
  attendCase("sliding window, norm per head", {
    numHeads: 2,
    numKvHeads: 2,
    headDim: 24,
    slidingWindow: 3,
    norm: "head",
  }),
  attendCase("one key head, norm over the projection, interleaved pairs", {
    numHeads: 3,
    numKvHeads: 1,
    headDim: 8,
    norm: "projection",
    isInterleaved: true,
  }),
  attendCase("half of the head rotates", { numHeads: 2, numKvHeads: 1, headDim: 16, rotaryDim: 8 }),
  attendCase("no rope", { numHeads: 2, numKvHeads: 1, headDim: 8, rotaryDim: 0 }),
  ...(["bf16/8", "bf16/16"] as const).map((cacheFormat) =>
    attendCase(`a cache of ${cacheFormat}`, { numHeads: 4, numKvHeads: 2, headDim: 32, slidingWindow: 5, cacheFormat }),
  ),
]

function attendCase(name: string, shape: AttendShape): BackendCase {
  const { numHeads, numKvHeads, headDim, cacheFormat = "f32" } = shape
  const layer = planLayer(shape)
  return {
    name: `attend: ${name}`,
    op: "attend",
    format: "f32",
    // A number that lies between two of bf16 may be rounded either way.
    bound: cacheFormat === "f32" ? 1e-4 : 1e-2,
    run: (backend) =>
      backend.supports("attend", "f32") && backend.cacheFormats.includes(cacheFormat)
        ? withCaseRows(backend.arena, ({ take, takeNoise, takeCache }) => {
            const caches = [0, 1].map(() => ({
              keys: takeCache(cacheFormat, numKvHeads * CAPACITY, headDim),
              values: takeCache(cacheFormat, numKvHeads * CAPACITY, headDim),
            }))
            const pasts = [0, 0]
            const results: Float32Array[] = []
            for (const [call, step] of STEPS.entries()) {
              const numRows = step.reduce((sum, rows) => sum + rows, 0)
              const qkv = takeNoise(numRows, (numHeads + 2 * numKvHeads) * headDim, 20 + call)
              const out = take(numRows, numHeads * headDim)
              let firstRow = 0
              const slots: SlotRows[] = caches.map((cache, s) => {
                const slot = { ...cache, firstRow, numRows: step[s]!, pastLength: pasts[s]!, capacity: CAPACITY }
                firstRow += step[s]!
                pasts[s]! += step[s]!
                return slot
              })
              backend.attend(out, qkv, slots, layer)
              results.push(out.values)
            }
            for (const { keys, values } of caches) results.push(valuesOf(keys), valuesOf(values))
            return Float32Array.from(results.flatMap((values) => [...values]))
          })
        : undefined,
  }
}

/** A cache's numbers, in the order of its memory. */
function valuesOf(rows: CacheRows): Float32Array {
  if (!("words" in rows)) return rows.values
  const values = new Float32Array(rows.words.length * 2)
  bf16ToF32(values, new Uint16Array(rows.words.buffer, rows.words.byteOffset, values.length))
  return values
}

function planLayer(shape: AttendShape): AttentionLayer {
  const { numHeads, numKvHeads, headDim, norm, isInterleaved = false, rotaryDim = headDim } = shape
  const numPairs = rotaryDim / 2
  const angles = Float32Array.from(
    { length: CAPACITY * numPairs },
    (_, i) => Math.floor(i / numPairs) / (1 + (i % numPairs)),
  )
  const normWidth = (heads: number): number => (norm === "head" ? headDim : heads * headDim)
  return {
    numHeads,
    numKvHeads,
    headDim,
    slidingWindow: shape.slidingWindow ?? Number.POSITIVE_INFINITY,
    scale: 1 / Math.sqrt(headDim),
    rope:
      rotaryDim === 0 ? undefined : { cos: angles.map(Math.cos), sin: angles.map(Math.sin), rotaryDim, isInterleaved },
    qkNorm: norm && {
      over: norm,
      epsilon: 1e-6,
      q: noise(normWidth(numHeads), 11, 1),
      k: noise(normWidth(numKvHeads), 12, 1),
    },
  }
}
