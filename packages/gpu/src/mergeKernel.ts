/** The kernel that merges the blocks of each query, in order of position, as attention does where it takes all blocks itself. */
import { BLOCK } from "./AttendKind.ts"
import { findSlotCode, shapeCode } from "./batchedSlots.ts"
import { SEEN_CODE, MERGE_CODE } from "./attendKernel.ts"

const THREADS = 64
/** Blocks that are read before the first of them is merged: reads wait for each other no more. */
const AHEAD = 8

/**
 * Returns the kernel's WGSL. Workgroups: rows of the slots, one slot after the other; heads.
 *
 * Buffers: of each query each block's sums of values, its largest score and sum of weights; out.
 */
export function mergeCode(): string {
  const blocks = Array.from({ length: AHEAD }, (_, i) => i)
  const each = (line: (i: number) => string): string => blocks.map(line).join("\n      ")
  return `
${shapeCode(["numHeads", "headDim", "window"])}
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read> sums: array<vec2f>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
${SEEN_CODE}
${MERGE_CODE}
@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) thread: u32) {
  ${findSlotCode("id.x")}
  let position = slot.pastLength + index;
  let query = slot.firstSum + (index * shape.numHeads + id.y) * num_blocks(slot);
  let begin = query + first_seen(position) / ${BLOCK}u - first_block(slot);
  let last = query + position / ${BLOCK}u - first_block(slot);
  for (var k = thread; k < shape.headDim; k += ${THREADS}u) {
    var value = 0.0;
    var running = vec2f(LOWEST, 0.0);
    for (var block = begin; block <= last; block += ${AHEAD}u) {
      ${each((i) => `let b${i} = min(block + ${i}u, last); let v${i} = values[b${i} * shape.headDim + k]; let s${i} = sums[b${i}];`)}
      ${each(
        (i) => `if (block + ${i}u <= last) {
        let both = merged(running, s${i}.x, s${i}.y);
        value = fma(value, both.z, v${i} * both.w);
        running = both.xy;
      }`,
      )}
    }
    out[((slot.firstRow + index) * shape.numHeads + id.y) * shape.headDim + k] = value / running.y;
  }
}
`
}
