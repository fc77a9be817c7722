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
  /** Two matrices whose groups take turns: a row of out is the first's results, then the second's. */
  readonly isPaired: boolean
  /** Slabs and rows are those of a list of tiles: many experts of a heap in one dispatch. */
  readonly isGrouped: boolean
  /** Which row of x is read is looked up: an expert's tokens lie apart. */
  readonly isGathered: boolean
}

/** Returns a name unlike that of any other product's kernel. */
export function productName({ format, tile, isPaired, isGrouped, isGathered }: ProductKind): string {
  return `product ${format} ${tile} ${isPaired} ${isGrouped} ${isGathered}`
}

/** Returns the tile for so many rows. */
export function tileFor(numRows: number): Tile {
  return TILES.find((tile) => numRows <= tile) ?? 8
}

/**
 * Returns the tile for experts that share `numTokens` rows out: no expert has more than one row of a token.
 *
 * @param meanRows rows of an expert, on average
 */
export function tileForExperts(numTokens: number, meanRows: number): Tile {
  return numTokens === 1 ? 1 : tileFor(Math.min(numTokens, Math.max(4, Math.ceil(meanRows))))
}

const PARTS = 8
const THREADS = 16 * PARTS

/** One matrix, or two whose groups take turns: those of a gate and an up projection. */
export type ProductMatrices = readonly [MatrixLayout] | readonly [MatrixLayout, MatrixLayout]

/** What a product covers, in the order of the kernel's parameters: rows of one slab at `word` of its heap, or a heap's part of a list of tiles. */
export type ProductPart =
  | { readonly kind: "rows"; readonly word: number; readonly firstRow: number; readonly numRows: number }
  | { readonly kind: "tiles"; readonly heapId: number; readonly firstTile: number; readonly numTiles: number }

const SHAPE =
  "values groupStride scales otherScales bias otherBias hasBias numBlocks outWidth word firstRow numRows heap firstTile"

/** Returns the values of `Shape`. */
export function productParameters(matrices: ProductMatrices, part: ProductPart): number[] {
  const [first, other] = matrices
  const { values, groupStride, scales = 0, bias, paddedColumns, numRows: outWidth } = first
  const matrixValues = [
    values / 4,
    groupStride / 4 / matrices.length,
    scales / 4,
    (other?.scales ?? 0) / 4,
    (bias ?? 0) / 4,
    (other?.bias ?? 0) / 4,
    bias === undefined ? 0 : 1,
    paddedColumns / 32,
    outWidth,
  ]
  return part.kind === "rows"
    ? [...matrixValues, part.word, part.firstRow, part.numRows, 0, 0]
    : [...matrixValues, 0, 0, 0, part.heapId, part.firstTile]
}

/** Returns the workgroups of a product. */
export function productGrid(matrices: ProductMatrices, part: ProductPart): [number, number] {
  const numTiles = part.kind === "tiles" ? part.numTiles : Math.ceil(part.numRows / tileFor(part.numRows))
  return [(matrices.length * matrices[0].paddedRows) / 16, numTiles]
}

/** Returns the kernel's WGSL. Buffers: slabs, x, the scales of x in 8 and 4 bits, the tiles and the look-up where there are such, out. */
export function productCode(kind: ProductKind): string {
  const { format, tile, isPaired, isGrouped, isGathered } = kind
  const isInteger = format !== "f32"
  const rows = Array.from({ length: tile }, (_, r) => r)
  const optional = [isInteger && "x_scales", isGrouped && "tiles", isGathered && "look_up"]
  const inputs = ["slab", "x", ...optional.filter((name) => name !== false)]
  const number = isInteger ? "i32" : "f32"
  // In words of four.
  const stride = `shape.numBlocks * ${isInteger ? 2 : 8}u`
  const binding = (name: string, i: number): string =>
    `@group(0) @binding(${i + 1}) var<storage, read> ${name}: array<${name === "tiles" || name === "x" ? "vec4u" : "u32"}>;`
  return `
struct Shape { ${SHAPE.split(" ")
    .map((name) => `${name}: u32`)
    .join(", ")} }
@group(0) @binding(0) var<uniform> shape: Shape;
${inputs.map(binding).join("\n")}
@group(0) @binding(${inputs.length + 1}) var<storage, read_write> out: array<u32>;
var<workgroup> sums: array<${number}, ${THREADS * tile}>;
${format === "int4" ? GRID_CODE : ""}
fn row_of(row: u32) -> u32 { return ${isGathered ? "look_up[row]" : "row"}; }
@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) thread: u32) {
  ${isGrouped ? OF_TILE : ofRows(tile)}
  let lane = thread % 16u;
  let part = thread / 16u;
  let group = word + shape.values + id.x * shape.groupStride;
  ${rows.map((r) => `let x${r} = row_of(first + min(${r}u, count - 1u)) * ${stride}; var sum${r}: ${number};`).join("\n  ")}
  for (var block = part; block < shape.numBlocks; block += ${PARTS}u) {
    ${BLOCK[format](rows)}
  }
  ${rows.map((r) => `sums[(${r}u * ${PARTS}u + part) * 16u + lane] = sum${r};`).join("\n  ")}
  workgroupBarrier();
  let other = ${isPaired ? "id.x % 2u" : "0u"};
  let first_column = id.x / ${isPaired ? 2 : 1}u * 16u;
  for (var i = thread; i < ${16 * tile}u; i += ${THREADS}u) {
    let t = i / 16u;
    let column = first_column + i % 16u;
    if (t >= count || column >= shape.outWidth) { continue; }
    var sum = sums[t * ${PARTS * 16}u + i % 16u];
    for (var p = 1u; p < ${PARTS}u; p++) { sum += sums[(t * ${PARTS}u + p) * 16u + i % 16u]; }
    ${isInteger ? SCALED : "var value = sum;"}
    if (shape.hasBias != 0u) {
      value += bitcast<f32>(slab[word + select(shape.bias, shape.otherBias, other != 0u) + column]);
    }
    let to = ((first + t) * ${isPaired ? 2 : 1}u + other) * shape.outWidth + column;
    out[to] = ${isInteger ? "select(bitcast<u32>(value), x_scale, is_fault)" : "bitcast<u32>(value)"};
  }
}
`
}

/** A tile is its heap's id, the slab's first word there, the first row and their number: 0 in places of the list that hold none. */
const OF_TILE = `let tile = tiles[shape.firstTile + id.y];
  if (tile.x != shape.heap || tile.w == 0u) { return; }
  let word = tile.y;
  let first = tile.z;
  let count = tile.w;`

function ofRows(tile: Tile): string {
  return `let word = shape.word;
  let first = shape.firstRow + id.y * ${tile}u;
  let count = min(${tile}u, shape.numRows - id.y * ${tile}u);`
}

/** WGSL may lose a NaN on the way: a faulty row's scale is written as it is. */
const SCALED = `let x_scale = x_scales[row_of(first + t)];
    let is_fault = (x_scale & 0x7fffffffu) >= 0x7f800000u;
    var value = f32(sum) * bitcast<f32>(slab[word + select(shape.scales, shape.otherScales, other != 0u) + column]) * bitcast<f32>(x_scale);`

/** Adds a block of 32 columns to the sums of rows: four words of x at a time, and four of weights on their way. */
const BLOCK: Readonly<Record<Format, (rows: readonly number[]) => string>> = {
  f32: (rows) => `
    for (var quad = block * 8u; quad < block * 8u + 8u; quad++) {
      let at = group + quad * 64u + lane;
      let w = bitcast<vec4f>(vec4u(slab[at], slab[at + 16u], slab[at + 32u], slab[at + 48u]));
      ${rows.map((r) => `let v${r} = bitcast<vec4f>(x[x${r} + quad]); ${["x", "y", "z", "w"].map((i) => `sum${r} += w.${i} * v${r}.${i};`).join(" ")}`).join("\n      ")}
    }`,
  int8: (rows) => `
    for (var quad = block * 2u; quad < block * 2u + 2u; quad++) {
      let at = group + quad * 64u + lane;
      let w = vec4u(slab[at], slab[at + 16u], slab[at + 32u], slab[at + 48u]) ^ vec4u(0x80808080u);
      ${rows.map((r) => addDots(r, ["w.x", "w.y", "w.z", "w.w"])).join("\n      ")}
    }`,
  // A block's four bytes at a time: q · m + c stays below 256, so that no byte carries into the next.
  int4: (rows) => `
    let grid = grid_of(group + shape.numBlocks * 64u, block, lane);
    let offsets = grid.y * 0x01010101u;
    for (var quad = block * 2u; quad < block * 2u + 2u; quad++) {
      let at = group + quad * 32u + lane;
      let q = vec2u(slab[at], slab[at + 16u]);
      let low = ((q & vec2u(0x0f0f0f0fu)) * grid.x + offsets) ^ vec2u(0x80808080u);
      let high = (((q >> vec2u(4u)) & vec2u(0x0f0f0f0fu)) * grid.x + offsets) ^ vec2u(0x80808080u);
      ${rows.map((r) => addDots(r, ["low.x", "high.x", "low.y", "high.y"])).join("\n      ")}
    }`,
}

/** Adds the products of four words of weights and row r's next four. */
function addDots(r: number, [a, b, c, d]: readonly [string, string, string, string]): string {
  const [v, dot] = [`v${r}`, "dot4I8Packed"]
  return `let ${v} = x[x${r} + quad]; sum${r} += ${dot}(${a}, ${v}.x) + ${dot}(${b}, ${v}.y) + ${dot}(${c}, ${v}.z) + ${dot}(${d}, ${v}.w);`
}
