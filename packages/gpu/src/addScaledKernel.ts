/** Whether each row has a factor of its own; else they are 1. */
export interface AddScaledKind {
  readonly hasFactors: boolean
}

/** Values of a row that a workgroup adds, one a thread. */
export const ADDED_VALUES = 256

/** Returns the WGSL of `out[t] += factors[t] * x[t]`. Workgroups: parts of a row, rows. Parameter: width. Buffers: x, the factors where there are some, out. */
export function addScaledCode({ hasFactors }: AddScaledKind): string {
  return `
struct Shape { width: u32 }
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> x: array<f32>;
${hasFactors ? "@group(0) @binding(2) var<storage, read> factors: array<f32>;" : ""}
@group(0) @binding(${hasFactors ? 3 : 2}) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(${ADDED_VALUES})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) thread: u32) {
  let k = id.x * ${ADDED_VALUES}u + thread;
  if (k >= shape.width) { return; }
  let at = id.y * shape.width + k;
  out[at] = ${hasFactors ? "fma(factors[id.y], x[at], out[at])" : "out[at] + x[at]"};
}
`
}
