import { tensorOf } from "@consilium/onnx"
import type { CacheTensor } from "./describeDecoder.ts"

type Values = Float32Array | Float16Array
type Tensor = ReturnType<typeof tensorOf>

/**
 * What a decoder remembers of one sequence: for each of the cache's tensors `[1, numHeads, length, headSize]`, densely, so that their layout changes
 * with the length.
 *
 * A run reads one of them and writes another, which then changes places with it: nothing is left to a collector that sees no native memory.
 */
export class DecoderCache {
  length = 0
  readonly #tensors: readonly CacheTensor[]
  readonly #capacity: number
  readonly #values: Values[]

  /** @param capacity most positions; memory grows as they come */
  constructor(tensors: readonly CacheTensor[], capacity: number) {
    this.#tensors = tensors
    this.#capacity = capacity
    this.#values = tensors.map(({ type }) => allocate(type, 0))
  }

  /** Returns tensors over what is remembered, by the names of inputs. */
  feeds(): Record<string, Tensor> {
    return this.#named(({ input }) => input, this.length)
  }

  /** Makes room for `length` positions, and returns tensors over it, by the names of outputs. What was there is gone. */
  fetches(length: number): Record<string, Tensor> {
    this.#reserve(length)
    this.length = length
    return this.#named(({ output }) => output, length)
  }

  /** Forgets all positions from `length` on. */
  truncate(length: number): void {
    if (length === this.length) return
    for (const [i, { numHeads, headSize }] of this.#tensors.entries()) {
      const [from, to] = [this.length * headSize, length * headSize]
      const values = this.#values[i]!
      // Heads move towards the beginning, the first one first: none is overwritten before it has moved.
      for (let head = 0; head < numHeads; head++) values.copyWithin(head * to, head * from, head * from + to)
    }
    this.length = length
  }

  /** Takes over the first `length` positions of another sequence. */
  copyFrom(other: DecoderCache, length: number): void {
    this.#reserve(length)
    for (const [i, { numHeads, headSize }] of this.#tensors.entries()) {
      const [from, to] = [other.length * headSize, length * headSize]
      const source = other.#values[i]!
      for (let head = 0; head < numHeads; head++)
        this.#values[i]!.set(source.subarray(head * from, head * from + to), head * to)
    }
    this.length = length
  }

  /** Doubles what it grows by, so that a long answer does not allocate with every token. */
  #reserve(length: number): void {
    for (const [i, { type, numHeads, headSize }] of this.#tensors.entries()) {
      const width = numHeads * headSize
      if (this.#values[i]!.length < length * width)
        this.#values[i] = allocate(type, Math.min(this.#capacity, Math.max(2 * length, 64)) * width)
    }
  }

  #named(nameOf: (tensor: CacheTensor) => string, length: number): Record<string, Tensor> {
    return Object.fromEntries(
      this.#tensors.map((tensor, i) => {
        const { numHeads, headSize } = tensor
        const values = this.#values[i]!.subarray(0, numHeads * length * headSize)
        return [nameOf(tensor), tensorOf(values, [1, numHeads, length, headSize])]
      }),
    )
  }
}

function allocate(type: CacheTensor["type"], length: number): Values {
  return type === "f32" ? new Float32Array(length) : new Float16Array(length)
}
