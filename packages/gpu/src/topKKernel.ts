/**
 * The kernel that routes: from a token's logits to its experts, best first, and their weights. A workgroup routes one token; that of a token alone plans the batch as well.
 *
 * An expert's rank is the number of those that beat it, so that all are ranked at once and ties go to the lower id, whatever the order of threads.
 */
import type { RoutedLayer } from "@consilium/kernels"
import { floatBits } from "./floatBits.ts"
import { FLOAT_CODE } from "./floatCode.ts"
import type { GpuFeatures } from "./GpuFeatures.ts"
import { type SumCode, sumCode } from "./sumCode.ts"

/** What a router's code is generated from. */
export interface TopKKind extends Pick<RoutedLayer, "topK" | "score" | "normalizesWeights"> {
  readonly numExperts: number
  /** Weights are a softmax over the chosen: where one over all would be normalised, nothing underflows this way. */
  readonly isOverChosen: boolean
  /** There is one token, whose assignments are the plan. @see planCode */
  readonly plans: boolean
}

/** Returns the kind of a layer's router for so many tokens. */
export function topKFor(
  { slabs, topK, score, normalizesWeights, normEpsilon }: RoutedLayer,
  numTokens: number,
): TopKKind {
  const isOverChosen = score === "softmax" && normalizesWeights && normEpsilon === 0
  return { numExperts: slabs.length, topK, score, normalizesWeights, isOverChosen, plans: numTokens === 1 }
}

/** Returns a name unlike that of any other router's kernel. */
export function topKName({ numExperts, topK, score, normalizesWeights, isOverChosen, plans }: TopKKind): string {
  return `top-k ${numExperts} ${topK} ${score} ${normalizesWeights} ${isOverChosen} ${plans}`
}

/** Returns the values of `Shape`. */
export function topKParameters({ temperature, normEpsilon, scale }: RoutedLayer): number[] {
  return [temperature, normEpsilon, scale].map(floatBits)
}

const THREADS = 128

/**
 * Returns the kernel's WGSL.
 *
 * Buffers: logits `[T, E]`; routing `[T, 3K]`, of which it writes ids (-1 where none is left) and weights; where it plans, what `planCode` has after its routing.
 */
export function topKCode(
  { numExperts, topK, score, normalizesWeights, isOverChosen, plans }: TopKKind,
  features: GpuFeatures,
): string {
  const sums = score === "softmax" && !isOverChosen ? sumCode(THREADS, features) : undefined
  return `
struct Shape { temperature: f32, normEpsilon: f32, scale: f32 }
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> logits: array<u32>;
@group(0) @binding(2) var<storage, read_write> routing: array<u32>;
${plans ? PLAN_BUFFERS : ""}
const NONE = 0xffffffffu;
var<workgroup> keys: array<u32, ${numExperts}>;
var<workgroup> chosen: array<u32, ${topK}>;
var<workgroup> scores: array<f32, ${topK}>;
var<workgroup> has_fault: atomic<u32>;
${FLOAT_CODE}
${sums?.declarations ?? ""}
fn exponential(logit: u32, largest: f32) -> f32 {
  return exp((bitcast<f32>(logit) - largest) / shape.temperature);
}
@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) thread: u32${sums?.parameters ?? ""}) {
  let row = id.x * ${numExperts}u;
  for (var k = thread; k < ${topK}u; k += ${THREADS}u) { chosen[k] = NONE; }
  for (var e = thread; e < ${numExperts}u; e += ${THREADS}u) {
    let bits = logits[row + e];
    if (is_fault(bits) && bits != ${MINUS_INFINITY}) { atomicStore(&has_fault, 1u); }
    keys[e] = order_of(bits);
  }
  workgroupBarrier();
  for (var e = thread; e < ${numExperts}u; e += ${THREADS}u) {
    let key = keys[e];
    var rank = 0u;
    for (var o = 0u; o < ${numExperts}u && rank < ${topK}u; o++) {
      rank += u32(keys[o] > key || (keys[o] == key && o < e));
    }
    if (rank < ${topK}u && logits[row + e] != ${MINUS_INFINITY}) { chosen[rank] = e; }
  }
  workgroupBarrier();
  let is_faulty = atomicLoad(&has_fault) != 0u;
  let best = logits[row + min(chosen[0], ${numExperts - 1}u)];
  let largest = select(bitcast<f32>(best), 0.0, is_faulty || is_fault(best));
  ${sums === undefined ? "" : sumAllCode(numExperts, sums)}
  for (var k = thread; k < ${topK}u; k += ${THREADS}u) {
    var score = 0.0;
    if (chosen[k] != NONE && !is_faulty) {
      let logit = logits[row + chosen[k]];
      ${score === "sigmoid" ? SIGMOID : `score = exponential(logit, largest)${sums === undefined ? "" : " / sum_of_all"};`}
    }
    scores[k] = score;
  }
  workgroupBarrier();
  for (var k = thread; k < ${topK}u; k += ${THREADS}u) {
    var sum = shape.normEpsilon;
    for (var other = 0u; other < ${topK}u; other++) { sum += scores[other]; }
    let factor = ${normalizesWeights ? "select(shape.scale, shape.scale / sum, sum > 0.0)" : "shape.scale"};
    let expert = select(f32(chosen[k]), -1.0, chosen[k] == NONE);
    let to = id.x * ${3 * topK}u + k;
    routing[to] = bitcast<u32>(select(expert, f32(k), is_faulty));
    ${plans ? planCode(topK) : ""}
    routing[to + ${topK}u] = select(bitcast<u32>(scores[k] * factor), NAN_BITS, is_faulty);
  }
}
`
}

const PLAN_BUFFERS = `@group(0) @binding(3) var<storage, read> places: array<vec2u>;
@group(0) @binding(4) var<storage, read_write> rows: array<u32>;
@group(0) @binding(5) var<storage, read_write> tokens: array<u32>;
@group(0) @binding(6) var<storage, read_write> tiles: array<vec4u>;`

/** Rows of a plan lie by expert; what is left of the list of tiles, where a token has fewer experts, holds none. */
function planCode(topK: number): string {
  return `let own = select(chosen[k], k, is_faulty);
    if (own == NONE) {
      rows[k] = NONE;
      tiles[k] = vec4u();
    } else {
      var row = 0u;
      for (var other = 0u; other < ${topK}u; other++) { row += u32(select(chosen[other], other, is_faulty) < own); }
      rows[k] = row;
      tokens[row] = 0u;
      tiles[row] = vec4u(places[own], row, 1u);
    }`
}

const MINUS_INFINITY = "0xff800000u"

/** Sums the exponentials of all logits, in one order. */
function sumAllCode(numExperts: number, { sumOf }: SumCode): string {
  return `var own_sum = 0.0;
  for (var e = thread; e < ${numExperts}u && !is_faulty; e += ${THREADS}u) {
    let logit = logits[row + e];
    if (logit != ${MINUS_INFINITY}) { own_sum += exponential(logit, largest); }
  }
  let sum_of_all = ${sumOf("own_sum")};`
}

/** Its exponential is of what is below 0, so that it does not overflow. */
const SIGMOID = `let value = bitcast<f32>(logit) / shape.temperature;
      let small = exp(-abs(value));
      score = select(small, 1.0, value >= 0.0) / (1.0 + small);`
