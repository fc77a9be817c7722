/** Kernels that do one thing as fast as a device can, whatever ours do: read memory, multiply f32, multiply 8-bit integers. */

/** Threads of a workgroup. */
export const LIMIT_THREADS = 256
/** Sums that a thread keeps apart, so that none waits for another. */
const CHAINS = 8
const chains = Array.from({ length: CHAINS }, (_, c) => c)

/** Operations of one turn of a thread: each chain is a vector of four multiply-adds, or a sum of four products. */
export const F32_FLOPS_PER_TURN = CHAINS * 4 * 2
export const INT8_OPS_PER_TURN = CHAINS * 4 * 2

/** Each thread reads `count` vectors of 16 bytes, as far apart as there are threads. Buffers: what is read; a sum of each workgroup. */
export const READ_CODE = `
struct Shape { count: u32, stride: u32 }
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> words: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;
@compute @workgroup_size(${LIMIT_THREADS})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(workgroup_id) group: vec3u) {
  var sum: vec4u;
  for (var i = 0u; i < shape.count; i++) { sum ^= words[id.x + i * shape.stride]; }
  if ((sum.x ^ sum.y ^ sum.z ^ sum.w) != 0u) { out[group.x] = 1u; }
}
`

/** Each thread makes `count` turns of multiply-adds in registers. Buffer: a value of each thread. */
export const F32_CODE = productCode(
  "vec4f",
  "vec4f(f32(id.x))",
  (c) => `sum${c} = fma(sum${c}, vec4f(factor), vec4f(1.0));`,
  "bitcast<u32>(sum.x + sum.y + sum.z + sum.w)",
  "let factor = f32(shape.factor) / 256.0;",
)

/** The same with sums of four products of bytes. */
export const INT8_CODE = productCode(
  "i32",
  "i32(id.x)",
  (c) => `sum${c} += dot4I8Packed(bitcast<u32>(sum${c}), factor);`,
  "bitcast<u32>(sum)",
  "let factor = shape.factor;",
)

function productCode(
  type: string,
  first: string,
  turn: (chain: number) => string,
  result: string,
  prepare: string,
): string {
  return `
struct Shape { count: u32, factor: u32 }
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@compute @workgroup_size(${LIMIT_THREADS})
fn main(@builtin(global_invocation_id) id: vec3u) {
  ${prepare}
  ${chains.map((c) => `var sum${c} = ${first} + ${type}(${c});`).join("\n  ")}
  for (var i = 0u; i < shape.count; i++) {
    ${chains.map(turn).join("\n    ")}
  }
  let sum = ${chains.map((c) => `sum${c}`).join(" + ")};
  out[id.x] = ${result};
}
`
}
