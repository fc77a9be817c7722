/** What the kernels of products for many rows have in common: 64 columns of 64 rows of x, and of 64 of W, are brought to a workgroup's shared memory at a time. */
import type { Format } from "@consilium/kernels"
import { BLOCK_ROWS } from "./ProductKind.ts"
import { BLOCK_GROUPS } from "./productShape.ts"
import { DOT_CODE } from "./weightCode.ts"

/** Vectors of 16 columns in a step: matrices are padded to 64. */
export const QUADS = 4
/** Each brings a vector of x and one of W. */
export const THREADS = BLOCK_ROWS * QUADS
/** Rows of W, which are columns of the result. */
export const BLOCK_COLUMNS = 16 * BLOCK_GROUPS

/** WGSL before `main`: `packed(group, quad, lane)`, four words of a row's 16 columns on their way, and the signed bytes that they become, `unpacked(words, quad, lane)`. */
export function bringFunctions(format: Exclude<Format, "f32">): string {
  const { packed, unpacked } = WEIGHT_CODE[format]
  return `${DOT_CODE[format]}
fn packed(group: u32, quad: u32, lane: u32) -> vec4u { ${packed} }
fn unpacked(words: vec4u, quad: u32, lane: u32) -> vec4u { ${unpacked} }`
}

/** In 4 bits, the words that hold the block's grid travel with the weights. */
const WEIGHT_CODE: Readonly<Record<Exclude<Format, "f32">, { readonly packed: string; readonly unpacked: string }>> = {
  int8: {
    packed: `let at = group + quad * 64u + lane; return vec4u(slab[at], slab[at + 16u], slab[at + 32u], slab[at + 48u]);`,
    unpacked: "return signed(words);",
  },
  int4: {
    packed: `let at = group + quad * 32u + lane; return vec4u(slab[at], slab[at + 16u], grid_words(group + shape.numBlocks * 64u, quad / 2u, lane));`,
    unpacked: "return expanded(words.xy, grid_in(words.zw, quad / 2u, lane));",
  },
}

/** WGSL after `productTile`: which vectors a thread brings, and the first of them, `next_x` and `next_w`, on their way. */
export const BRING_FIRST = `let lane = thread % 16u;
  let quad = (thread / 16u) % ${QUADS}u;
  let group_in_block = thread / ${16 * QUADS}u;
  let group = word + shape.values + min(id.x * ${BLOCK_GROUPS}u + group_in_block, shape.numGroups - 1u) * shape.groupStride;
  let x_row = row_of(first + min(thread / ${QUADS}u, count - 1u)) * shape.numBlocks * 2u + thread % ${QUADS}u;
  let num_quads = shape.numBlocks * 2u;
  var next_x = x[x_row];
  var next_w = packed(group, quad, lane);`

/** WGSL of a step: the vectors on their way are put in their places, and those after `begin`'s are asked for. */
export function bringNext(putX: string, putW: string): string {
  return `workgroupBarrier();
    ${putX}
    ${putW}
    workgroupBarrier();
    let next = min(begin + ${QUADS}u, num_quads - ${QUADS}u);
    next_x = x[x_row + next];
    next_w = packed(group, next + quad, lane);`
}
