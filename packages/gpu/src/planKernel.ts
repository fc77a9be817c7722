/**
 * The kernel that plans: it groups a batch's assignments by expert, in their order, and lists the tiles of the products. A workgroup plans one expert.
 *
 * Each counts all assignments by itself, and from that knows where its rows and tiles begin: nothing waits for another, and no order is left to chance. The list is as
 * long as it can get; its last places hold tiles without rows, which the products leave at once. A dispatch sized on the device would save those workgroups, and cost
 * a check of its size before every product.
 *
 * @see planDispatch in experts: the same order
 */

/** What a plan covers. */
export interface PlanShape {
  readonly numTokens: number
  readonly topK: number
  readonly numExperts: number
  /** Rows of a tile. */
  readonly tile: number
}

/** Returns the most tiles that a plan can have. */
export function mostTiles({ numTokens, topK, numExperts, tile }: PlanShape): number {
  const numAssignments = numTokens * topK
  return Math.min(numAssignments, Math.floor(numAssignments / tile) + numExperts)
}

/** Returns the values of `Shape`. */
export function planParameters(shape: PlanShape): number[] {
  return [shape.numTokens * shape.topK, shape.topK, shape.tile, mostTiles(shape)]
}

const THREADS = 256

/**
 * Returns the kernel's WGSL.
 *
 * Buffers: routing `[T, 3K]`, of which it reads the ids; where slabs lie `[E, 2]`; the row of each assignment `[A]`; the token of each row `[A]`; tiles `[mostTiles, 4]`.
 */
export function planCode(numExperts: number): string {
  return `
struct Shape { numAssignments: u32, topK: u32, tile: u32, mostTiles: u32 }
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> routing: array<f32>;
@group(0) @binding(2) var<storage, read> places: array<vec2u>;
@group(0) @binding(3) var<storage, read_write> rows: array<u32>;
@group(0) @binding(4) var<storage, read_write> tokens: array<u32>;
@group(0) @binding(5) var<storage, read_write> tiles: array<vec4u>;
const NONE = 0xffffffffu;
var<workgroup> counts: array<atomic<u32>, ${numExperts}>;
var<workgroup> sums: array<vec3u, ${THREADS}>;
fn expert_of(assignment: u32) -> u32 {
  let id = routing[(assignment / shape.topK) * 3u * shape.topK + assignment % shape.topK];
  return select(NONE, u32(max(id, 0.0)), id >= 0.0 && id < ${numExperts}.0);
}
fn tiles_of(count: u32) -> u32 { return (count + shape.tile - 1u) / shape.tile; }
@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) thread: u32) {
  let expert = id.x;
  let share = (shape.numAssignments + ${THREADS - 1}u) / ${THREADS}u;
  let first = thread * share;
  let end = min(first + share, shape.numAssignments);
  var own = 0u;
  for (var a = first; a < end; a++) {
    let e = expert_of(a);
    if (e != NONE) { atomicAdd(&counts[e], 1u); }
    own += u32(e == expert);
  }
  workgroupBarrier();
  var sum = vec3u(own, 0u, 0u);
  for (var e = thread; e < expert; e += ${THREADS}u) {
    let count = atomicLoad(&counts[e]);
    sum += vec3u(0u, count, tiles_of(count));
  }
  sums[thread] = sum;
  workgroupBarrier();
  for (var distance = 1u; distance < ${THREADS}u; distance *= 2u) {
    var before = vec3u();
    if (thread >= distance) { before = sums[thread - distance]; }
    workgroupBarrier();
    sums[thread] += before;
    workgroupBarrier();
  }
  let offset = sums[${THREADS - 1}u].y;
  let first_tile = sums[${THREADS - 1}u].z;
  var row = offset + sums[thread].x - own;
  for (var a = first; a < end; a++) {
    let e = expert_of(a);
    if (e == expert) {
      rows[a] = row;
      tokens[row] = a / shape.topK;
      row++;
    } else if (e == NONE && expert == 0u) { rows[a] = NONE; }
  }
  let count = atomicLoad(&counts[expert]);
  let end_tile = first_tile + tiles_of(count);
  for (var i = first_tile + thread; i < end_tile; i += ${THREADS}u) {
    let done = (i - first_tile) * shape.tile;
    tiles[i] = vec4u(places[expert], offset + done, min(shape.tile, count - done));
  }
  if (expert == ${numExperts - 1}u) {
    for (var i = end_tile + thread; i < shape.mostTiles; i += ${THREADS}u) { tiles[i] = vec4u(); }
  }
}
`
}
