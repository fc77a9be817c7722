import type { GpuFeatures } from "./GpuFeatures.ts"
import { sumCode } from "./sumCode.ts"

/** Whether the normed rows take the place of what they were made from: no buffer is bound twice. */
export interface NormKind {
  readonly isInPlace: boolean
}

const THREADS = 256

/** Returns the WGSL of an RMS norm, a workgroup for each row. Parameters: width, epsilon's bits. Buffers: weight, x unless in place, out. */
export function normCode({ isInPlace }: NormKind, features: GpuFeatures): string {
  const { declarations, parameters, sumOf } = sumCode(THREADS, features)
  const x = isInPlace ? "out" : "x"
  return `
struct Shape { width: u32, epsilon: u32 }
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
${isInPlace ? "" : "@group(0) @binding(2) var<storage, read> x: array<f32>;"}
@group(0) @binding(${isInPlace ? 2 : 3}) var<storage, read_write> out: array<f32>;
${declarations}
@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) thread: u32${parameters}) {
  let row = id.x * shape.width;
  var squares = 0.0;
  for (var k = thread; k < shape.width; k += ${THREADS}u) {
    let value = ${x}[row + k];
    squares = fma(value, value, squares);
  }
  let mean = ${sumOf("squares")} / f32(shape.width);
  let factor = 1.0 / sqrt(mean + bitcast<f32>(shape.epsilon));
  for (var k = thread; k < shape.width; k += ${THREADS}u) { out[row + k] = ${x}[row + k] * factor * weight[k]; }
}
`
}
