/**
 * The kernel of attention: queries of a slot and a key head against the slot's keys and values, block by block.
 *
 * A workgroup takes a tile of queries (rows × the query heads of a key head), which share each load of keys and values. Positions are cut into blocks of 64, counted
 * from the slot's first: a block gives each query its largest score, its sum of weights and its sum of weighed values, and blocks are merged in order of position.
 * Where few workgroups see long pasts, each takes one block, and the merge is a kernel of its own. Every sum has one order, so that a query's bits depend neither on
 * the tile nor on the way.
 *
 * @see Milakov & Gimelshein, arXiv:1805.02867 (online softmax); Dao et al., FlashAttention, arXiv:2205.14135 §3.1
 */
import { type AttendKind, type AttendShape, BLOCK, LANES, SHAPES, THREADS } from "./AttendKind.ts"
import { findSlotCode, shapeCode } from "./batchedSlots.ts"
import { scoresCode, softmaxCode, valuesCode } from "./attendSteps.ts"
import { cacheTypesCode, storeSumCode } from "./cacheCode.ts"

/** WGSL: the first position that a query sees, the block of a slot's first, and how many its rows see, each some of them. It reads `shape.window`. */
export const SEEN_CODE = `
fn first_seen(position: u32) -> u32 { return select(0u, position + 1u - shape.window, position >= shape.window); }
fn first_block(slot: Slot) -> u32 { return first_seen(slot.pastLength) / ${BLOCK}u; }
fn num_blocks(slot: Slot) -> u32 { return (slot.pastLength + slot.numRows - 1u) / ${BLOCK}u + 1u - first_block(slot); }`

/**
 * WGSL: a query's largest score and sum of weights, `running`, with a block's; then what the sums of values of both are scaled by.
 *
 * `LOWEST` is below all scores: an infinity may be folded away.
 */
export const MERGE_CODE = `
const LOWEST = -3.0e38f;
fn merged(running: vec2f, largest: f32, sum: f32) -> vec4f {
  let both = max(running.x, largest);
  let before = exp(running.x - both);
  let block = exp(largest - both);
  return vec4f(both, fma(running.y, before, sum * block), before, block);
}`

/**
 * Returns the kernel's WGSL. Workgroups: one for all blocks, or where it is split the blocks of the slot that has most, of which others pass over what they lack; key heads of
 * groups of columns of tiles, one slot after the other.
 *
 * Buffers: qkv, the heaps of keys and of values, out; then, of each query, each block's sums of values, and its largest score and sum of weights.
 */
export function attendCode({ shape, vector, cacheFormat }: AttendKind): string {
  const plan: AttendShape = SHAPES[shape]
  const { tile, chunk, numParts, numQueries } = plan
  return `
alias V = ${vector === 1 ? "f32" : `vec${vector}f`};
${cacheTypesCode(cacheFormat)}
${shapeCode(["numHeads", "numKvHeads", "numVectors", "window", "scale", "isSplit"])}
@group(0) @binding(1) var<storage, read> qkv: array<V>;
@group(0) @binding(2) var<storage, read> keys: array<Key>;
@group(0) @binding(3) var<storage, read> values: array<Value>;
@group(0) @binding(4) var<storage, read_write> out: array<Sum>;
@group(0) @binding(5) var<storage, read_write> block_values: array<Sum>;
@group(0) @binding(6) var<storage, read_write> block_sums: array<vec2f>;
var<workgroup> piece: array<V, ${BLOCK * (chunk + 1)}>;
var<workgroup> piece_queries: array<V, ${tile * chunk}>;
var<workgroup> weights: array<f32, ${BLOCK * (tile + 1)}>;
var<workgroup> lanes: array<f32, ${tile * LANES}>;
var<workgroup> running: array<vec4f, ${tile}>;
${SEEN_CODE}
${MERGE_CODE}
const UNSEEN = -1.0f;
fn is_seen(key: u32, position: u32) -> bool { return key <= position && key >= first_seen(position); }
@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) thread: u32) {
  let is_split = shape.isSplit != 0u;
  let heads_per_key = shape.numHeads / shape.numKvHeads;
  let num_groups = (shape.numVectors + ${THREADS - 1}u) / ${THREADS}u;
  ${findSlotCode("id.y / (shape.numKvHeads * num_groups)")}
  let kv_head = id.y % shape.numKvHeads;
  let keys_row = slot.keysRow + kv_head * slot.capacity;
  let values_row = slot.valuesRow + kv_head * slot.capacity;
  let first_query = index * ${tile}u;
  let last_query = min(first_query + ${tile}u, slot.numRows * heads_per_key) - 1u;
  let first_position = slot.pastLength + first_query / heads_per_key;
  let last_position = slot.pastLength + last_query / heads_per_key;
  let begin = first_seen(first_position);
  var block = begin - begin % ${BLOCK}u;
  var last_block = last_position;
  if (is_split) {
    block = (first_block(slot) + id.x) * ${BLOCK}u;
    last_block = block;
    if (block > last_position || block + ${BLOCK}u <= begin) { return; }
  }
  let num_columns = min(shape.numVectors, ${THREADS}u);
  let column = ((id.y / shape.numKvHeads) % num_groups) * num_columns + thread % num_columns;
  let unit = thread / num_columns;
  let part = unit % ${numParts}u;
  let first = (unit / ${numParts}u) * ${numQueries}u;
  let is_active = first < ${tile}u && column < shape.numVectors;
  var sums: array<V, ${numQueries}>;
  if (thread < ${tile}u) { running[thread] = vec4f(LOWEST, 0.0, 0.0, 0.0); }
  for (; block <= last_block; block += ${BLOCK}u) {
    ${scoresCode(plan, vector, cacheFormat)}
    ${softmaxCode(plan)}
    ${valuesCode(plan, cacheFormat)}
    if (is_active) {
      for (var r = 0u; r < ${numQueries}u; r++) {
        sums[r] = fma(sums[r], V(running[first + r].z), block_sum[r] * running[first + r].w);
      }
    }
  }
  if (!is_active || part > 0u) { return; }
  for (var r = 0u; r < ${numQueries}u; r++) {
    let query = first_query + first + r;
    if (query > last_query) { continue; }
    let row = (query / heads_per_key) * shape.numHeads + kv_head * heads_per_key + query % heads_per_key;
    if (is_split) {
      let to = slot.firstSum + row * num_blocks(slot) + id.x;
      ${storeSumCode("block_values", "to", "sums[r]", cacheFormat)}
      if (column == 0u) { block_sums[to] = running[first + r].xy; }
    } else {
      let to = slot.firstRow * shape.numHeads + row;
      ${storeSumCode("out", "to", "sums[r] / running[first + r].y", cacheFormat)}
    }
  }
}
`
}
