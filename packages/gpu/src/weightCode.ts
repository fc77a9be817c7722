import type { Format } from "@consilium/kernels"

/** WGSL that reads one weight of a packed matrix, dequantised as it lies: `weight(row, column)`. It reads `slab` and `shape.values`, `.groupStride`, `.scales`. */
export function weightCode(format: Format, paddedColumns: string): string {
  return `
fn weight(row: u32, k: u32) -> f32 {
  let group = shape.values + (row / 16u) * shape.groupStride;
  let lane = row % 16u;
  ${WEIGHT[format](paddedColumns)}
}`
}

const scaled = `(f32(u) - 128.0) * bitcast<f32>(slab[shape.scales + row])`

const WEIGHT: Readonly<Record<Format, (paddedColumns: string) => string>> = {
  f32: () => `return bitcast<f32>(slab[group + k * 16u + lane]);`,
  int8: () => `
  let u = (slab[group + (k / 4u) * 16u + lane] >> ((k % 4u) * 8u)) & 255u;
  return ${scaled};`,
  int4: (paddedColumns) => `
  let word = slab[group + (k / 8u) * 16u + lane];
  let q = (word >> ((k % 4u) * 8u + select(0u, 4u, (k & 4u) != 0u))) & 15u;
  let grid = grid_of(group + ${paddedColumns} * 2u, k / 32u, lane);
  let u = q * grid.x + grid.y;
  return ${scaled};`,
}

/**
 * WGSL that reads the multiplier and the offset of a row's block of 32 columns, of a 4-bit matrix: `grid_of(first, block, lane)`, or `grid_in` of the `grid_words` that hold
 * them among others'.
 *
 * `first` is the word at which a group's parameters begin. @see MatrixLayout
 */
export const GRID_CODE = `
fn grid_words(first: u32, block: u32, lane: u32) -> vec2u {
  let at = first + (block / 2u) * 12u + lane / 4u;
  return vec2u(slab[at], slab[at + 4u * (1u + (block & 1u))]);
}
fn grid_in(words: vec2u, block: u32, lane: u32) -> vec2u {
  let shift = (lane % 4u) * 8u;
  return vec2u((words.x >> (shift + 4u * (block & 1u))) & 15u, (words.y >> shift) & 255u);
}
fn grid_of(first: u32, block: u32, lane: u32) -> vec2u { return grid_in(grid_words(first, block, lane), block, lane); }`

/**
 * WGSL that sums products of a row's 16 columns of weights, as signed bytes, and x's: `add_dots(sum, w, x)`. `signed(words)` makes such bytes of four words in 8 bits,
 * `expanded(words, grid)` of two in 4 bits.
 */
export const DOT_CODE: Readonly<Record<Exclude<Format, "f32">, string>> = {
  int8: dotCode(""),
  // A block's four bytes at a time: q · m + c stays below 256, so that no byte carries into the next.
  int4: dotCode(`${GRID_CODE}
fn expanded(words: vec2u, grid: vec2u) -> vec4u {
  let q = vec4u(words.x, words.x >> 4u, words.y, words.y >> 4u) & vec4u(0x0f0f0f0fu);
  return signed(q * grid.x + grid.y * 0x01010101u);
}`),
}

function dotCode(more: string): string {
  return `
fn signed(words: vec4u) -> vec4u { return words ^ vec4u(0x80808080u); }
fn add_dots(sum: i32, w: vec4u, v: vec4u) -> i32 {
  return dot4I8Packed(w.x, v.x) + (dot4I8Packed(w.y, v.y) + (dot4I8Packed(w.z, v.z) + (dot4I8Packed(w.w, v.w) + sum)));
}${more}`
}
