/**
 * The kernel that makes queries and keys ready, in place: RMS norm over heads or over the whole projection, then the rotary embedding.
 *
 * A workgroup takes what is normed together, of one row: a head, or all heads of q or k.
 */
import type { AttentionLayer } from "@consilium/kernels"
import { findSlotCode, shapeCode } from "./batchedSlots.ts"
import type { GpuFeatures } from "./GpuFeatures.ts"
import { type SumCode, sumCode } from "./sumCode.ts"

/** What its code is generated from; at least one of both is done. */
export interface RotateKind {
  readonly normsOver: "head" | "projection" | undefined
  readonly rotates: boolean
}

const THREADS = 64

/** Returns the kind of a layer; undefined where its queries and keys are ready as they are. */
export function rotateKindOf({ qkNorm, rope }: AttentionLayer): RotateKind | undefined {
  if (qkNorm === undefined && rope === undefined) return undefined
  return { normsOver: qkNorm?.over, rotates: rope !== undefined }
}

/**
 * Returns the kernel's WGSL. Workgroups: rows of the slots, one slot after the other; what is normed together.
 *
 * Buffers: qkv; the weights of q and k where there is a norm; cosines and sines where it rotates.
 */
export function rotateCode({ normsOver, rotates }: RotateKind, features: GpuFeatures): string {
  const sums = normsOver === undefined ? undefined : sumCode(THREADS, features)
  const normed = (at: string): string =>
    normsOver === undefined ? `qkv[start + ${at}]` : `qkv[start + ${at}] * factor * weight_of(${at}, is_key)`
  const inputs = [
    ...(normsOver === undefined ? [] : ["weights_q", "weights_k"]),
    ...(rotates ? ["cosines", "sines"] : []),
  ]
  return `
${shapeCode(["numHeads", "numKvHeads", "headDim", "numPairs", "step", "partner", "epsilon"])}
@group(0) @binding(1) var<storage, read_write> qkv: array<f32>;
${inputs.map((name, i) => `@group(0) @binding(${i + 2}) var<storage, read> ${name}: array<f32>;`).join("\n")}
${sums === undefined ? "" : `${sums.declarations}\n${WEIGHT_CODE}`}
@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) thread: u32${sums?.parameters ?? ""}) {
  ${findSlotCode("id.x")}
  let row = (slot.firstRow + index) * (shape.numHeads + 2u * shape.numKvHeads) * shape.headDim;
  ${rotates ? "let angles = (slot.pastLength + index) * shape.numPairs;" : ""}
  ${normsOver === "projection" ? PROJECTION : HEAD}
  let start = row + first_head * shape.headDim;
  ${sums === undefined ? "" : factorCode(sums)}
  let singles = shape.headDim - 2u * shape.numPairs;
  let items = shape.numPairs + singles;
  for (var item = thread; item < num_heads * items; item += ${THREADS}u) {
    let head = (item / items) * shape.headDim;
    let i = item % items;
    let is_pair = i < shape.numPairs;
    let at = head + select(shape.numPairs + i, i * shape.step, is_pair);
    let a = ${normed("at")};
    if (!is_pair) {
      qkv[start + at] = a;
      continue;
    }
    ${
      rotates
        ? `let b = ${normed("(at + shape.partner)")};
    let cosine = cosines[angles + i];
    let sine = sines[angles + i];
    qkv[start + at] = a * cosine - b * sine;
    qkv[start + at + shape.partner] = b * cosine + a * sine;`
        : ""
    }
  }
}
`
}

const HEAD = `let first_head = id.y;
  let is_key = id.y >= shape.numHeads;
  let num_heads = 1u;`

const PROJECTION = `let first_head = id.y * shape.numHeads;
  let is_key = id.y == 1u;
  let num_heads = select(shape.numHeads, shape.numKvHeads, is_key);`

function factorCode({ sumOf }: SumCode): string {
  return `let length = num_heads * shape.headDim;
  var squares = 0.0;
  for (var k = thread; k < length; k += ${THREADS}u) {
    let value = qkv[start + k];
    squares = fma(value, value, squares);
  }
  let factor = 1.0 / sqrt(${sumOf("squares")} / f32(length) + bitcast<f32>(shape.epsilon));`
}

const WEIGHT_CODE = `
fn weight_of(at: u32, is_key: bool) -> f32 {
  if (is_key) { return weights_k[at]; }
  return weights_q[at];
}`
