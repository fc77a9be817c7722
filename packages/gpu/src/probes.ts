/** Small kernels with known answers, which say whether a device computes what the others rest on. */
import { enableCode, type GpuFeatures, type MatrixUnit, pinCode, PLAIN_FEATURES } from "./GpuFeatures.ts"

/** A kernel of one workgroup that writes what is known. */
export interface Probe {
  /** WGSL; binding 0 is its output, of 32-bit floats. */
  readonly code: string
  readonly answers: Float32Array
}

/** Shared memory, barriers, sums of packed integers, rounding. Halves round to even. */
export const PLAIN_PROBE: Probe = {
  code: `
@group(0) @binding(0) var<storage, read_write> out: array<f32, 64>;
var<workgroup> shared_values: array<f32, 64>;
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) t: u32) {
  shared_values[t] = round(f32(t) * 0.5);
  workgroupBarrier();
  let packed = pack4xI8(vec4i(i32(t), -i32(t), 127, -127));
  out[t] = shared_values[63u - t] + f32(dot4I8Packed(packed, 0x7f02ff03u));
}
`,
  answers: Float32Array.from({ length: 64 }, (_, t) => {
    const half = (63 - t) / 2
    const rounded = Number.isInteger(half) ? half : 2 * Math.round(half / 2)
    return rounded + t * 3 + t + 127 * 2 - 127 * 127
  }),
}

const SUBGROUP_THREADS = 256

/** Threads of a workgroup lie in subgroups side by side: each finds its neighbours' numbers where they are looked for. */
export const SUBGROUP_PROBE: Probe = {
  code: `${enableCode({ ...PLAIN_FEATURES, hasSubgroups: true })}
@group(0) @binding(0) var<storage, read_write> out: array<f32, ${SUBGROUP_THREADS}>;
@compute @workgroup_size(${SUBGROUP_THREADS})
fn main(
  @builtin(local_invocation_index) t: u32,
  @builtin(subgroup_size) size: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  var sum = t;
  for (var distance = 1u; distance < size; distance *= 2u) { sum += subgroupShuffleXor(sum, distance); }
  let first = t - t % size;
  let is_right = lane == t % size && size > 1u && ${SUBGROUP_THREADS}u % size == 0u && sum == size * first + size * (size - 1u) / 2u;
  out[t] = select(-1.0, f32(t), is_right);
}
`,
  answers: Float32Array.from({ length: SUBGROUP_THREADS }, (_, t) => t),
}

/** Bytes, the largest too, in a product of one of a unit's matrices: `out[row][column] = Σ left(row, k) · right(k, column)`. */
export function matrixProbe(unit: MatrixUnit): Probe {
  const { component, numRows, numColumns, depth, subgroupSize } = unit
  const isBytes = component === "i8"
  const [element, sum] = isBytes ? ["u32", "i32"] : ["f16", "f32"]
  const width = isBytes ? depth / 4 : depth
  const fill = (name: string, numRowsOf: number): string => `
  for (var i = t; i < ${numRowsOf * width}u; i += ${subgroupSize}u) {
    let row = i / ${width}u;
    let k = i % ${width}u * ${isBytes ? 4 : 1}u;
    ${name}[i] = ${isBytes ? `pack4xI8(vec4i(value_of(row, k), value_of(row, k + 1u), value_of(row, k + 2u), value_of(row, k + 3u)))` : `f16(value_of(row, k))`};
  }`
  const features: GpuFeatures = { hasSubgroups: true, matrixUnit: unit }
  const valueOf = (row: number, k: number): number => ((row * 37 + k * 101) % 256) - 128
  return {
    code: `${enableCode(features)}
@group(0) @binding(0) var<storage, read_write> out: array<f32, ${numRows * numColumns}>;
var<workgroup> left: array<${element}, ${numRows * width}>;
var<workgroup> right: array<${element}, ${numColumns * width}>;
var<workgroup> results: array<${sum}, ${numRows * numColumns}>;
fn value_of(row: u32, k: u32) -> i32 { return i32((row * 37u + k * 101u) % 256u) - 128; }
@compute @workgroup_size(${subgroupSize})${pinCode(unit)}
fn main(@builtin(local_invocation_index) t: u32) {
  ${fill("left", numRows)}
  ${fill("right", numColumns)}
  workgroupBarrier();
  let a = subgroupMatrixLoad<subgroup_matrix_left<${component}, ${depth}, ${numRows}>, row_major>(&left, 0u, ${width}u);
  let b = subgroupMatrixLoad<subgroup_matrix_right<${component}, ${numColumns}, ${depth}>, col_major>(&right, 0u, ${width}u);
  let zero = subgroup_matrix_result<${sum}, ${numColumns}, ${numRows}>();
  subgroupMatrixStore<row_major>(&results, 0u, subgroupMatrixMultiplyAccumulate(a, b, zero), ${numColumns}u);
  workgroupBarrier();
  for (var i = t; i < ${numRows * numColumns}u; i += ${subgroupSize}u) { out[i] = f32(results[i]); }
}
`,
    answers: Float32Array.from({ length: numRows * numColumns }, (_, i) => {
      const [row, column] = [Math.floor(i / numColumns), i % numColumns]
      return Array.from({ length: depth }, (_, k) => valueOf(row, k) * valueOf(column, k)).reduce((a, b) => a + b, 0)
    }),
  }
}
