import { Tensor } from "onnxruntime-common"

/** Memory for one matrix of any number of rows, grown as needed, with its tensors kept by shape. */
export interface ScratchMatrix<T extends Float32Array | Uint8Array> {
  /** Returns `[numRows, width]` values and a tensor over them; valid until the scratch grows. */
  take(numRows: number, width: number): { readonly values: T; readonly tensor: Tensor }
}

/** Most tensors kept: batches of a service repeat a few shapes. */
const MAX_KEPT = 256

/** @param create makes the typed array; its kind decides the tensor's */
export function createScratch<T extends Float32Array | Uint8Array>(create: (length: number) => T): ScratchMatrix<T> {
  let all = create(0)
  let kept = new Map<number, { values: T; tensor: Tensor }>()
  return {
    take(numRows, width) {
      const length = numRows * width
      if (all.length < length) {
        all = create(length)
        kept = new Map()
      }
      const key = numRows * 2 ** 24 + width
      const found = kept.get(key)
      if (found !== undefined) return found
      if (kept.size >= MAX_KEPT) kept.clear()
      const values = all.subarray(0, length) as T
      const taken = { values, tensor: tensorOf(values, [numRows, width]) }
      kept.set(key, taken)
      return taken
    },
  }
}

/** A tensor over typed values, which it shares. */
export function tensorOf(values: TensorValues, shape: readonly number[]): Tensor {
  if (values instanceof Float16Array) return halfTensor(values, shape)
  const type = ELEMENT_TYPES.find(([array]) => values instanceof array)![1]
  // Tensor's types know plain ArrayBuffers only; the arena's views may be over shared ones.
  return new Tensor(type as "float32", values as Float32Array<ArrayBuffer>, [...shape])
}

/** The binding reads a `Float16Array` as one of no length: it wants 16-bit integers, and calls them float16. */
function halfTensor({ buffer, byteOffset, length }: Float16Array, shape: readonly number[]): Tensor {
  const bits = new Uint16Array(buffer as ArrayBuffer, byteOffset, length)
  return Object.assign(new Tensor("uint16", bits, [...shape]), { type: "float16" })
}

/** Elements that a tensor is made over. */
export type TensorValues = Float32Array | Float16Array | Uint8Array | Int8Array | Int32Array | BigInt64Array

const ELEMENT_TYPES = [
  [Float32Array, "float32"],
  [Uint8Array, "uint8"],
  [Int8Array, "int8"],
  [BigInt64Array, "int64"],
  [Int32Array, "int32"],
] as const
