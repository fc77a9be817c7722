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
 * WGSL that reads the multiplier and the offset of a row's block of 32 columns, of a 4-bit matrix: `grid_of(first, block, lane)`.
 *
 * `first` is the word at which a group's parameters begin. @see MatrixLayout
 */
export const GRID_CODE = `
fn byte_at(word: u32, byte: u32) -> u32 {
  return (slab[word + byte / 4u] >> ((byte % 4u) * 8u)) & 255u;
}
fn grid_of(first: u32, block: u32, lane: u32) -> vec2u {
  let piece = first + (block / 2u) * 12u;
  let second = block & 1u;
  let multiplier = (byte_at(piece, lane) >> (4u * second)) & 15u;
  return vec2u(multiplier, byte_at(piece, lane + 16u * (1u + second)));
}`
