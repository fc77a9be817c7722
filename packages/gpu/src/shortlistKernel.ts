/**
 * The kernel of short lists: it sorts runs of a row's candidates, best first, ties to the lower index, and keeps the first N of each. A workgroup sorts one run.
 *
 * The first pass reads logits, each next one what the last kept, until a single run is left. A NaN comes before all: whoever looks at the list sees it.
 */
import { FLOAT_CODE } from "./floatCode.ts"

/** Candidates of a run: 16 KiB of a workgroup's memory, which is what every device has. */
export const RUN = 2048
const THREADS = 256

/**
 * Returns the kernel's WGSL. Buffers: logits `[T, width]` or candidates `[T, width, 2]` (key, index); candidates `[T, runs * N, 2]` or out `[T, 2N]`.
 *
 * Runs of a row lie in x, rows in y.
 */
export function shortlistCode(): string {
  return `
struct Shape { width: u32, numKept: u32, numRuns: u32, isFirst: u32 }
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> candidates: array<u32>;
@group(0) @binding(2) var<storage, read_write> kept: array<u32>;
var<workgroup> run: array<vec2u, ${RUN}>;
${FLOAT_CODE}
fn is_before(a: vec2u, b: vec2u) -> bool { return a.x > b.x || (a.x == b.x && a.y < b.y); }
fn candidate(at: u32, index: u32) -> vec2u {
  if (shape.isFirst == 0u) { return vec2u(candidates[2u * at], candidates[2u * at + 1u]); }
  let bits = candidates[at];
  let is_nan = (bits & 0x7fffffffu) > 0x7f800000u;
  return vec2u(select(order_of(bits), 0xffffffffu, is_nan), index);
}
@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) thread: u32) {
  for (var i = thread; i < ${RUN}u; i += ${THREADS}u) {
    let index = id.x * ${RUN}u + i;
    var found = vec2u(0u, 0xffffffffu);
    if (index < shape.width) { found = candidate(id.y * shape.width + index, index); }
    run[i] = found;
  }
  workgroupBarrier();
  for (var size = 2u; size <= ${RUN}u; size *= 2u) {
    for (var distance = size / 2u; distance > 0u; distance /= 2u) {
      for (var pair = thread; pair < ${RUN / 2}u; pair += ${THREADS}u) {
        let low = (pair / distance) * 2u * distance + pair % distance;
        let a = run[low];
        let b = run[low + distance];
        if (is_before(b, a) == ((low & size) == 0u)) {
          run[low] = b;
          run[low + distance] = a;
        }
      }
      workgroupBarrier();
    }
  }
  for (var i = thread; i < shape.numKept; i += ${THREADS}u) {
    let key = run[i].x;
    let index = run[i].y;
    if (shape.numRuns > 1u) {
      let to = 2u * ((id.y * shape.numRuns + id.x) * shape.numKept + i);
      kept[to] = key;
      kept[to + 1u] = index;
    } else {
      let value = select(~key, key & 0x7fffffffu, key >= 0x80000000u);
      kept[id.y * 2u * shape.numKept + i] = select(value, NAN_BITS, key == 0xffffffffu);
      kept[(id.y * 2u + 1u) * shape.numKept + i] = bitcast<u32>(f32(index));
    }
  }
}
`
}
