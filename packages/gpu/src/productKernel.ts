/**
 * The kernel of products: `out[t] = W · x[t] (+ bias)` with a packed matrix, as it lies in its slab.
 *
 * A workgroup computes the 16 rows of one group for a tile of x's rows: sixteen lanes side by side, which read neighbouring words, times eight parts that share
 * out the blocks of 32 columns. A sum's order does not depend on the tile, so a row's bits do not depend on its neighbours.
 */
import type { Format, MatrixLayout } from "@consilium/kernels"
import { GRID_CODE } from "./weightCode.ts"

/** Rows of x that share a load of weights: for one row, for few, for many. */
const TILES = [1, 4, 8] as const
export type Tile = (typeof TILES)[number]

/** A product's kernel: what its code is generated from. */
export interface ProductKind {
  readonly format: Format
  readonly tile: Tile
  /** Which row of x is read is looked up: an expert's tokens lie apart. */
  readonly isGathered: boolean
}

/** Returns the tile for so many rows. */
export function tileFor(numRows: number): Tile {
  return TILES.find((tile) => numRows <= tile) ?? 8
}

const PARTS = 8
const THREADS = 16 * PARTS

/** Rows of x and of out, in the order of the kernel's parameters. */
export interface ProductRows {
  /** First row of x; where it is gathered, first entry of the look-up. */
  readonly firstX: number
  readonly firstOut: number
  readonly numRows: number
}

/** Returns the values of `Shape`. */
export function productParameters(matrix: MatrixLayout, { firstX, firstOut, numRows }: ProductRows): number[] {
  const { values, groupStride, scales = 0, bias, paddedColumns, numRows: outWidth } = matrix
  return [
    values / 4,
    groupStride / 4,
    scales / 4,
    bias === undefined ? 0 : 1,
    (bias ?? 0) / 4,
    paddedColumns / 32,
    outWidth,
    firstX,
    firstOut,
    numRows,
  ]
}

/** Returns the workgroups of a product. */
export function productGrid({ paddedRows }: MatrixLayout, numRows: number): [number, number] {
  return [paddedRows / 16, Math.ceil(numRows / tileFor(numRows))]
}

/** Returns the kernel's WGSL. Buffers: slab, x, the scales of x in 8 and 4 bits, the look-up where there is one, out. */
export function productCode({ format, tile, isGathered }: ProductKind): string {
  const isInteger = format !== "f32"
  const rows = Array.from({ length: tile }, (_, r) => r)
  const inputs = ["slab", "x", ...(isInteger ? ["x_scales"] : []), ...(isGathered ? ["look_up"] : [])]
  const number = isInteger ? "i32" : "f32"
  const stride = `shape.numBlocks * ${isInteger ? 8 : 32}u`
  return `
struct Shape {
  values: u32, groupStride: u32, scales: u32, hasBias: u32, bias: u32,
  numBlocks: u32, outWidth: u32, firstX: u32, firstOut: u32, numRows: u32,
}
@group(0) @binding(0) var<uniform> shape: Shape;
${inputs.map((name, i) => `@group(0) @binding(${i + 1}) var<storage, read> ${name}: array<u32>;`).join("\n")}
@group(0) @binding(${inputs.length + 1}) var<storage, read_write> out: array<u32>;
var<workgroup> sums: array<${number}, ${THREADS * tile}>;
${format === "int4" ? GRID_CODE : ""}
fn row_of(t: u32) -> u32 {
  let row = shape.firstX + min(t, shape.numRows - 1u);
  return ${isGathered ? "look_up[row]" : "row"};
}
@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) thread: u32) {
  let lane = thread % 16u;
  let part = thread / 16u;
  let group = shape.values + id.x * shape.groupStride;
  let first = id.y * ${tile}u;
  ${rows.map((r) => `let x${r} = row_of(first + ${r}u) * ${stride}; var sum${r}: ${number};`).join("\n  ")}
  for (var block = part; block < shape.numBlocks; block += ${PARTS}u) {
    ${BLOCK[format](rows)}
  }
  ${rows.map((r) => `sums[(${r}u * ${PARTS}u + part) * 16u + lane] = sum${r};`).join("\n  ")}
  workgroupBarrier();
  for (var i = thread; i < ${16 * tile}u; i += ${THREADS}u) {
    let t = first + i / 16u;
    let row = id.x * 16u + i % 16u;
    if (t >= shape.numRows || row >= shape.outWidth) { continue; }
    var sum = sums[(i / 16u) * ${PARTS * 16}u + i % 16u];
    for (var p = 1u; p < ${PARTS}u; p++) { sum += sums[((i / 16u) * ${PARTS}u + p) * 16u + i % 16u]; }
    ${isInteger ? SCALED : "var value = sum;"}
    if (shape.hasBias != 0u) { value += bitcast<f32>(slab[shape.bias + row]); }
    out[(shape.firstOut + t) * shape.outWidth + row] = ${isInteger ? "select(bitcast<u32>(value), x_scale, is_fault)" : "bitcast<u32>(value)"};
  }
}
`
}

/** WGSL may lose a NaN on the way: a faulty row's scale is written as it is. */
const SCALED = `let x_scale = x_scales[row_of(t)];
    let is_fault = (x_scale & 0x7fffffffu) >= 0x7f800000u;
    var value = f32(sum) * bitcast<f32>(slab[shape.scales + row]) * bitcast<f32>(x_scale);`

/** Adds a block of 32 columns to the sums of rows. */
const BLOCK: Readonly<Record<Format, (rows: readonly number[]) => string>> = {
  f32: (rows) => `
    for (var k = block * 32u; k < block * 32u + 32u; k++) {
      let w = bitcast<f32>(slab[group + k * 16u + lane]);
      ${rows.map((r) => `sum${r} += w * bitcast<f32>(x[x${r} + k]);`).join("\n      ")}
    }`,
  int8: (rows) => `
    for (var word = block * 8u; word < block * 8u + 8u; word++) {
      let w = slab[group + word * 16u + lane] ^ 0x80808080u;
      ${rows.map((r) => `sum${r} += dot4I8Packed(w, x[x${r} + word]);`).join("\n      ")}
    }`,
  // A block's four bytes at a time: q · m + c stays below 256, so that no byte carries into the next.
  int4: (rows) => `
    let grid = grid_of(group + shape.numBlocks * 64u, block, lane);
    let offsets = grid.y * 0x01010101u;
    for (var piece = block * 4u; piece < block * 4u + 4u; piece++) {
      let q = slab[group + piece * 16u + lane];
      let low = ((q & 0x0f0f0f0fu) * grid.x + offsets) ^ 0x80808080u;
      let high = (((q >> 4u) & 0x0f0f0f0fu) * grid.x + offsets) ^ 0x80808080u;
      ${rows.map((r) => `sum${r} += dot4I8Packed(low, x[x${r} + 2u * piece]) + dot4I8Packed(high, x[x${r} + 2u * piece + 1u]);`).join("\n      ")}
    }`,
}
