/**
 * WGSL that adds up one value of each thread of a workgroup, in one order: `sum_of(value, thread)`. All threads must call it, and no more than once.
 *
 * @param numThreads a power of two
 */
export function sumCode(numThreads: number): string {
  return `
var<workgroup> lanes: array<f32, ${numThreads}>;
fn sum_of(value: f32, thread: u32) -> f32 {
  lanes[thread] = value;
  workgroupBarrier();
  for (var half = ${numThreads / 2}u; half > 0u; half /= 2u) {
    if (thread < half) { lanes[thread] += lanes[thread + half]; }
    workgroupBarrier();
  }
  return lanes[0];
}`
}
