/**
 * The kernel that combines: a token's output is the weighted sum of its experts', in order of rank, then the shared expert's. A workgroup combines one token.
 *
 * It also measures each output, before it is weighed. Where an output or a weight is no finite number, its sums and its norm are NaN.
 */
import { FLOAT_CODE } from "./floatCode.ts"

/** What a combination's code is generated from. */
export interface CombineKind {
  readonly topK: number
  readonly sharedExpert: "none" | "plain" | "gated"
}

const THREADS = 128

/** Returns the kernel's WGSL. Buffers: outputs `[A, H]`; the row of each assignment `[A]`; routing `[T, 3K]`; the shared expert's outputs; its gate, and x; out `[T, H]`. */
export function combineCode({ topK, sharedExpert }: CombineKind): string {
  const ranks = Array.from({ length: topK }, (_, k) => k)
  const shared = { none: [], plain: ["shared_out"], gated: ["shared_out", "gate", "x"] }[sharedExpert]
  const names = ["outputs", "rows", "routing", ...shared, "out"]
  const binding = (name: string, i: number): string => {
    const access = name === "routing" || name === "out" ? "read_write" : "read"
    return `@group(0) @binding(${i + 1}) var<storage, ${access}> ${name}: array<${name === "gate" || name === "x" ? "f32" : "u32"}>;`
  }
  return `
struct Shape { width: u32 }
@group(0) @binding(0) var<uniform> shape: Shape;
${names.map(binding).join("\n")}
const NONE = 0xffffffffu;
var<workgroup> sums: array<f32, ${THREADS * topK}>;
var<workgroup> largest: array<atomic<u32>, ${topK}>;
${FLOAT_CODE}
fn add_halves(num_sums: u32, thread: u32) {
  workgroupBarrier();
  for (var half = ${THREADS / 2}u; half > 0u; half /= 2u) {
    for (var i = thread; i < num_sums * half; i += ${THREADS}u) {
      let at = (i / half) * ${THREADS}u + i % half;
      sums[at] += sums[at + half];
    }
    workgroupBarrier();
  }
}
@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) thread: u32) {
  let token = id.x;
  ${sharedExpert === "gated" ? GATE : "let shared_weight = 1.0;"}
  let route = token * ${3 * topK}u;
  var is_faulty = false;
  ${ranks.map((k) => `let row${k} = rows[token * ${topK}u + ${k}u]; let weight${k} = routing[route + ${topK + k}u]; var square${k} = 0.0; var most${k} = 0u; is_faulty = is_faulty || is_fault(weight${k});`).join("\n  ")}
  for (var i = thread; i < shape.width; i += ${THREADS}u) {
    var sum = 0.0;
    var has_fault = is_faulty;
    ${ranks.map(addRank).join("\n    ")}
    ${sharedExpert === "none" ? "" : ADD_SHARED}
    out[token * shape.width + i] = select(bitcast<u32>(sum), NAN_BITS, has_fault);
  }
  ${ranks.map((k) => `sums[${k * THREADS}u + thread] = square${k}; atomicMax(&largest[${k}], most${k});`).join("\n  ")}
  add_halves(${topK}u, thread);
  for (var k = thread; k < ${topK}u; k += ${THREADS}u) {
    let norm = bitcast<u32>(sqrt(sums[k * ${THREADS}u]));
    routing[route + ${2 * topK}u + k] = select(norm, NAN_BITS, is_fault(atomicLoad(&largest[k])));
  }
}
`
}

function addRank(k: number): string {
  return `if (row${k} != NONE) {
      let bits = outputs[row${k} * shape.width + i];
      let value = bitcast<f32>(bits);
      has_fault = has_fault || is_fault(bits);
      most${k} = max(most${k}, bits & 0x7fffffffu);
      square${k} += value * value;
      sum += bitcast<f32>(weight${k}) * value;
    }`
}

/** The weight of the shared expert: a row's sigmoid. */
const GATE = `var product = 0.0;
  for (var i = thread; i < shape.width; i += ${THREADS}u) { product += gate[i] * x[token * shape.width + i]; }
  sums[thread] = product;
  add_halves(1u, thread);
  let gate_logit = sums[0];
  let shared_weight = 1.0 / (1.0 + exp(-gate_logit));
  workgroupBarrier();`

const ADD_SHARED = `let shared_bits = shared_out[token * shape.width + i];
    has_fault = has_fault || is_fault(shared_bits);
    sum += shared_weight * bitcast<f32>(shared_bits);`
