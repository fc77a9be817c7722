/** Returns the bits of an f32, as a kernel's u32 parameter: WGSL reads it by `bitcast<f32>`. */
export function floatBits(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0]!
}
