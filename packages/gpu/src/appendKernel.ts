const THREADS = 64

/**
 * Returns the WGSL that copies rows' keys and values to their positions in a slot's cache. Workgroups: rows, key heads.
 *
 * Parameters: the number of heads, of key heads, the head's size, the slot's first row, its past, its capacity. Buffers: qkv, keys, values.
 */
export function appendCode(): string {
  return `
struct Shape { numHeads: u32, numKvHeads: u32, headDim: u32, firstRow: u32, pastLength: u32, capacity: u32 }
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> qkv: array<u32>;
@group(0) @binding(2) var<storage, read_write> keys: array<u32>;
@group(0) @binding(3) var<storage, read_write> values: array<u32>;
@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) thread: u32) {
  let width = (shape.numHeads + 2u * shape.numKvHeads) * shape.headDim;
  let key = (shape.firstRow + id.x) * width + (shape.numHeads + id.y) * shape.headDim;
  let value = key + shape.numKvHeads * shape.headDim;
  let to = (id.y * shape.capacity + shape.pastLength + id.x) * shape.headDim;
  for (var k = thread; k < shape.headDim; k += ${THREADS}u) {
    keys[to + k] = qkv[key + k];
    values[to + k] = qkv[value + k];
  }
}
`
}
