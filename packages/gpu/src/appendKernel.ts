import { type CacheFormat, pairDistance } from "@consilium/kernels"

const THREADS = 64

/**
 * Returns the WGSL that writes rows' keys and values to their positions in a slot's cache. Workgroups: rows, key heads.
 *
 * Parameters: the number of heads, of key heads, the head's size, the slot's first row, its past, its capacity. Buffers: qkv, keys, values.
 */
export function appendCode(format: CacheFormat): string {
  const distance = pairDistance(format)
  return `
struct Shape { numHeads: u32, numKvHeads: u32, headDim: u32, firstRow: u32, pastLength: u32, capacity: u32 }
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> qkv: array<u32>;
@group(0) @binding(2) var<storage, read_write> keys: array<u32>;
@group(0) @binding(3) var<storage, read_write> values: array<u32>;
${distance === undefined ? "" : pairCode(distance)}
@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) thread: u32) {
  let width = (shape.numHeads + 2u * shape.numKvHeads) * shape.headDim;
  let key = (shape.firstRow + id.x) * width + (shape.numHeads + id.y) * shape.headDim;
  let value = key + shape.numKvHeads * shape.headDim;
  let num_words = shape.headDim / ${distance === undefined ? 1 : 2}u;
  let to = (id.y * shape.capacity + shape.pastLength + id.x) * num_words;
  for (var k = thread; k < num_words; k += ${THREADS}u) {
    keys[to + k] = ${distance === undefined ? "qkv[key + k]" : "pair_of(key, k)"};
    values[to + k] = ${distance === undefined ? "qkv[value + k]" : "pair_of(value, k)"};
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
