/**
 * The kernel of products: `out[t] = W · x[t] (+ bias)` with a packed matrix, as it lies in its slab, for one row, few, and f32.
 *
 * A workgroup computes the 16 rows of one group for a tile of x's rows: sixteen lanes side by side, which read neighbouring words, times eight parts that share
 * out the blocks of 32 columns. A sum's order does not depend on the tile, so a row's bits do not depend on its neighbours.
 */
import type { Format } from "@consilium/kernels"
import type { ProductKind } from "./ProductKind.ts"
import { productHeader, productTile, SCALE_CODE } from "./productShape.ts"
import { DOT_CODE } from "./weightCode.ts"

const PARTS = 8
const THREADS = 16 * PARTS

/** Returns the kernel's WGSL. @see productHeader for its buffers */
export function productCode(kind: ProductKind): string {
  const { format, tile, isPaired } = kind
  const rows = Array.from({ length: tile }, (_, r) => r)
  const number = format === "f32" ? "f32" : "i32"
  // In words of four.
  const stride = `shape.numBlocks * ${format === "f32" ? 8 : 2}u`
  return `
${productHeader(kind)}
var<workgroup> sums: array<${number}, ${THREADS * tile}>;
${format === "f32" ? BIAS_CODE : `${DOT_CODE[format]}\n${SCALE_CODE}`}
@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) thread: u32) {
  ${productTile(kind)}
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
    let to = ((first + t) * ${isPaired ? 2 : 1}u + other) * shape.outWidth + column;
    out[to] = ${format === "f32" ? "biased(sum, word, column, other != 0u)" : "scaled(sum, first + t, word, column, other != 0u)"};
  }
}
`
}

const BIAS_CODE = `
fn biased(sum: f32, word: u32, column: u32, is_other: bool) -> u32 {
  if (shape.hasBias == 0u) { return bitcast<u32>(sum); }
  return bitcast<u32>(sum + bitcast<f32>(slab[word + select(shape.bias, shape.otherBias, is_other) + column]));
}`

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
      let w = signed(vec4u(slab[at], slab[at + 16u], slab[at + 32u], slab[at + 48u]));
      ${addDots(rows)}
    }`,
  int4: (rows) => `
    let grid = grid_of(group + shape.numBlocks * 64u, block, lane);
    for (var quad = block * 2u; quad < block * 2u + 2u; quad++) {
      let at = group + quad * 32u + lane;
      let w = expanded(vec2u(slab[at], slab[at + 16u]), grid);
      ${addDots(rows)}
    }`,
}

/** Adds the products of four words of weights and each row's next four. */
function addDots(rows: readonly number[]): string {
  return rows.map((r) => `sum${r} = add_dots(sum${r}, w, x[x${r} + quad]);`).join("\n      ")
}
