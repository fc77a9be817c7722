/** What the kernels of products have in common: what a dispatch covers, its parameters and buffers, and what they read of them. */
import type { MatrixLayout } from "@consilium/kernels"
import { BLOCK_ROWS, type ProductKind, type Tile } from "./ProductKind.ts"

/** One matrix, or two whose groups take turns: those of a gate and an up projection. */
export type ProductMatrices = readonly [MatrixLayout] | readonly [MatrixLayout, MatrixLayout]

/** What a product covers, in the order of the kernel's parameters: rows of one slab at `word` of its heap, or a heap's part of a list of tiles. */
export type ProductPart =
  | { readonly kind: "rows"; readonly word: number; readonly firstRow: number; readonly numRows: number }
  | { readonly kind: "tiles"; readonly heapId: number; readonly firstTile: number; readonly numTiles: number }

const SHAPE =
  "values groupStride scales otherScales bias otherBias hasBias numBlocks numGroups outWidth word firstRow numRows heap firstTile"

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
    numGroups(matrices),
    outWidth,
  ]
  return part.kind === "rows"
    ? [...matrixValues, part.word, part.firstRow, part.numRows, 0, 0]
    : [...matrixValues, 0, 0, 0, part.heapId, part.firstTile]
}

/** Groups of 16 rows of a matrix that many rows of x are multiplied with at a time. */
export const BLOCK_GROUPS = 4

/** Returns the workgroups of a product. */
export function productGrid(matrices: ProductMatrices, tile: Tile, part: ProductPart): [number, number] {
  const numTiles = part.kind === "tiles" ? part.numTiles : Math.ceil(part.numRows / tile)
  return [Math.ceil(numGroups(matrices) / (tile === BLOCK_ROWS ? BLOCK_GROUPS : 1)), numTiles]
}

function numGroups(matrices: ProductMatrices): number {
  return (matrices.length * matrices[0].paddedRows) / 16
}

/** WGSL of a product's parameters and buffers: slabs, x, the scales of x in 8 and 4 bits, the tiles and the look-up where there are such, out. `row_of(row)` looks up. */
export function productHeader({ format, isGrouped, isGathered }: ProductKind): string {
  const optional = [format !== "f32" && "x_scales", isGrouped && "tiles", isGathered && "look_up"]
  const inputs = ["slab", "x", ...optional.filter((name) => name !== false)]
  const binding = (name: string, i: number): string =>
    `@group(0) @binding(${i + 1}) var<storage, read> ${name}: array<${name === "tiles" || name === "x" ? "vec4u" : "u32"}>;`
  return `
struct Shape { ${SHAPE.split(" ")
    .map((name) => `${name}: u32`)
    .join(", ")} }
@group(0) @binding(0) var<uniform> shape: Shape;
${inputs.map(binding).join("\n")}
@group(0) @binding(${inputs.length + 1}) var<storage, read_write> out: array<u32>;
fn row_of(row: u32) -> u32 { return ${isGathered ? "look_up[row]" : "row"}; }`
}

/** WGSL, at the start of `main`, of a workgroup's slab, its first row and their number: `word`, `first`, `count`. */
export function productTile({ isGrouped, tile }: ProductKind): string {
  return isGrouped ? OF_LIST : ofRows(tile)
}

/** A tile is its heap's id, the slab's first word there, the first row and their number: 0 in places of the list that hold none. */
const OF_LIST = `let tile = tiles[shape.firstTile + id.y];
  if (tile.x != shape.heap || tile.w == 0u) { return; }
  let word = tile.y;
  let first = tile.z;
  let count = tile.w;`

function ofRows(tile: Tile): string {
  return `let word = shape.word;
  let first = shape.firstRow + id.y * ${tile}u;
  let count = min(${tile}u, shape.numRows - id.y * ${tile}u);`
}

/** WGSL of a result's bits in 8 and 4 bits, given its sum of integers: `scaled(sum, row, word, column, is_other)`. WGSL may lose a NaN on the way: a faulty row's scale stays. */
export const SCALE_CODE = `
fn scaled(sum: i32, row: u32, word: u32, column: u32, is_other: bool) -> u32 {
  let x_scale = x_scales[row_of(row)];
  var value = f32(sum) * bitcast<f32>(slab[word + select(shape.scales, shape.otherScales, is_other) + column]) * bitcast<f32>(x_scale);
  if (shape.hasBias != 0u) { value += bitcast<f32>(slab[word + select(shape.bias, shape.otherBias, is_other) + column]); }
  return select(bitcast<u32>(value), x_scale, (x_scale & 0x7fffffffu) >= 0x7f800000u);
}`
