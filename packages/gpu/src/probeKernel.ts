/** A small kernel of what the others rest on: shared memory, barriers, sums of packed integers, rounding. */
export const PROBE_CODE = `
@group(0) @binding(0) var<storage, read_write> out: array<f32, 64>;
var<workgroup> shared_values: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) t: u32) {
  shared_values[t] = round(f32(t) * 0.5);
  workgroupBarrier();
  let packed = pack4xI8(vec4i(i32(t), -i32(t), 127, -127));
  out[t] = shared_values[63u - t] + f32(dot4I8Packed(packed, 0x7f02ff03u));
}
`

/** What it writes. Halves round to even. */
export const PROBE_ANSWERS: Float32Array = Float32Array.from({ length: 64 }, (_, t) => {
  const half = (63 - t) / 2
  const rounded = Number.isInteger(half) ? half : 2 * Math.round(half / 2)
  return rounded + t * 3 + t + 127 * 2 - 127 * 127
})
