import type { GpuFeatures } from "./GpuFeatures.ts"

/** Pieces of WGSL that add up one value of each thread of a workgroup. */
export interface SumCode {
  /** What stands before `main`. */
  readonly declarations: string
  /** More parameters of `main`. */
  readonly parameters: string
  /** The sum of a value, in all threads. They must all get there, and no more than once. */
  sumOf(value: string): string
}

/**
 * Returns code for `numThreads`, a power of two. Sums are of neighbours first, so that a subgroup's share is a sum of its own: bits are the same with subgroups of any size,
 * and without.
 */
export function sumCode(numThreads: number, { hasSubgroups }: Pick<GpuFeatures, "hasSubgroups">): SumCode {
  return hasSubgroups
    ? {
        declarations: subgroupCode(numThreads),
        parameters: ", @builtin(subgroup_size) subgroup_size: u32",
        sumOf: (value) => `sum_of(${value}, thread, subgroup_size)`,
      }
    : { declarations: plainCode(numThreads), parameters: "", sumOf: (value) => `sum_of(${value}, thread)` }
}

function plainCode(numThreads: number): string {
  return `
var<workgroup> lanes: array<f32, ${numThreads}>;
fn sum_of(value: f32, thread: u32) -> f32 {
  lanes[thread] = value;
  workgroupBarrier();
  for (var distance = 1u; distance < ${numThreads}u; distance *= 2u) {
    if (thread % (2u * distance) == 0u) { lanes[thread] += lanes[thread + distance]; }
    workgroupBarrier();
  }
  return lanes[0];
}`
}

/** Each round, subgroups leave a sum each, which the next round's all take up again. */
function subgroupCode(numThreads: number): string {
  return `
var<workgroup> lanes: array<f32, ${numThreads}>;
fn sum_of(value: f32, thread: u32, subgroup_size: u32) -> f32 {
  var sum = value;
  for (var num_left = ${numThreads}u;;) {
    let width = min(subgroup_size, num_left);
    for (var distance = 1u; distance < width; distance *= 2u) { sum += subgroupShuffleXor(sum, distance); }
    num_left /= width;
    if (num_left == 1u) { break; }
    workgroupBarrier();
    if (thread % subgroup_size == 0u) { lanes[thread / subgroup_size] = sum; }
    workgroupBarrier();
    sum = lanes[thread % num_left];
  }
  return sum;
}`
}
