import { type CacheFormat, pairDistance } from "@consilium/kernels"
import { findSlotCode, shapeCode } from "./batchedSlots.ts"

const THREADS = 64

/**
 * Returns the WGSL that writes rows' keys and values to their positions in their slots' caches. Workgroups: rows of the slots, one slot after the other; key heads.
 *
 * Buffers: qkv, and the heaps of keys and of values.
 */
export function appendCode(format: CacheFormat): string {
  const distance = pairDistance(format)
  return `
${shapeCode(["numHeads", "numKvHeads", "headDim"])}
@group(0) @binding(1) var<storage, read> qkv: array<u32>;
@group(0) @binding(2) var<storage, read_write> keys: array<u32>;
@group(0) @binding(3) var<storage, read_write> values: array<u32>;
${distance === undefined ? "" : pairCode(distance)}
@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) thread: u32) {
  ${findSlotCode("id.x")}
  let width = (shape.numHeads + 2u * shape.numKvHeads) * shape.headDim;
  let key = (slot.firstRow + index) * width + (shape.numHeads + id.y) * shape.headDim;
  let value = key + shape.numKvHeads * shape.headDim;
  let num_words = shape.headDim / ${distance === undefined ? 1 : 2}u;
  let position = id.y * slot.capacity + slot.pastLength + index;
  let to_key = (slot.keysRow + position) * num_words;
  let to_value = (slot.valuesRow + position) * num_words;
  for (var k = thread; k < num_words; k += ${THREADS}u) {
    keys[to_key + k] = ${distance === undefined ? "qkv[key + k]" : "pair_of(key, k)"};
    values[to_value + k] = ${distance === undefined ? "qkv[value + k]" : "pair_of(value, k)"};
  }
}
`
}

/** A head's word, rounded as `roundToBf16` of kernels does. Of bits: devices may lose a NaN, or tiny values, in arithmetic. */
function pairCode(distance: number): string {
  return `fn rounded(bits: u32) -> u32 {
  let magnitude = min(bits & 0x7fffffffu, 0x7fff0000u);
  return ((magnitude + 0x7fffu + ((magnitude >> 16u) & 1u)) >> 16u) | ((bits >> 16u) & 0x8000u);
}
fn pair_of(head: u32, word: u32) -> u32 {
  let low = head + word + word / ${distance}u * ${distance}u;
  return rounded(qkv[low]) | (rounded(qkv[low + ${distance}u]) << 16u);
}`
}
