import { INT4_KERNELS } from "./int4Kernels.ts"
import {
  createInt4Row,
  importanceOf,
  INT4_BLOCK,
  inverseOf,
  type Int4Row,
  MIDDLE,
  MOST_IMPORTANT,
  quantizeInt4Row,
  scaleOf,
} from "./quantizeInt4Row.ts"
import { encodeModule } from "./wasmCode.ts"

/** Quantises rows one after the other. */
export interface Int4Quantizer {
  /** What the last row became; the next one overwrites it. Beyond a shorter row it stays as it was: zeros at first. */
  readonly row: Int4Row
  /** As `quantizeInt4Row` into `row`: the same bits and errors. */
  quantize(weights: Float32Array): number
}

interface Kernels {
  measure(weights: number, end: number, out: number): void
  quantize(
    weights: number,
    end: number,
    inverse: number,
    importance: number,
    values: number,
    multipliers: number,
    offsets: number,
  ): void
}

const CODE = encodeModule(INT4_KERNELS)
/** Compiled once: what is compiled anew runs slowly at first. Undefined where the machine has no vectors of 128 bits. */
const MODULE = WebAssembly.validate(CODE) ? new WebAssembly.Module(CODE) : undefined
const PAGE_BYTES = 65_536

/**
 * Creates a quantiser for rows of up to `length` weights, a multiple of 32: in WebAssembly where it has vectors.
 *
 * @param inputScales as `importanceOf` takes them; columns matter alike unless given
 */
export function createInt4Quantizer(length: number, inputScales?: Float32Array): Int4Quantizer {
  const importance = inputScales && importanceOf(inputScales, length)
  if (MODULE === undefined) {
    const row = createInt4Row(length)
    return { row, quantize: (weights) => quantizeInt4Row(row, weights, importance) }
  }
  const numBlocks = length / INT4_BLOCK
  const input = 16
  const factors = input + 4 * length
  const values = factors + 2 * length
  const multipliers = values + length
  const offsets = multipliers + numBlocks
  const memory = new WebAssembly.Memory({ initial: Math.ceil((offsets + numBlocks) / PAGE_BYTES) })
  const kernels = new WebAssembly.Instance(MODULE, { env: { memory } }).exports as unknown as Kernels
  const { buffer } = memory
  const ranges = new Float32Array(buffer, 0, 2)
  const floats = new Float32Array(buffer, input, length)
  new Int16Array(buffer, factors, length).set(importance ?? new Int16Array(length).fill(MOST_IMPORTANT))
  return {
    row: {
      values: new Uint8Array(buffer, values, length),
      multipliers: new Uint8Array(buffer, multipliers, numBlocks),
      offsets: new Uint8Array(buffer, offsets, numBlocks).fill(MIDDLE),
    },
    quantize(weights) {
      if (weights.length === 0) return 0
      const used = Math.ceil(weights.length / INT4_BLOCK) * INT4_BLOCK
      floats.set(weights)
      floats.fill(0, weights.length, used)
      const end = input + 4 * used
      kernels.measure(input, end, 0)
      const scale = scaleOf(ranges[0]!, ranges[1]!, weights)
      const inverse = inverseOf(scale)
      if (inverse === 0) floats.fill(0)
      kernels.quantize(input, end, inverse, factors, values, multipliers, offsets)
      return inverse === 0 ? 0 : scale
    },
  }
}
