/** onnxruntime's own operators for a layer of experts, in the graph that a user would write: router, then `MoE` or `QMoE`. */
import type { PlainExpert } from "@consilium/experts"
import { createSession, encodeGraph, type GraphConstant, type GraphNode, tensorOf } from "@consilium/onnx"
import { type MoeShape, readingRouter } from "./MoeProblem.ts"

/** `MoE` with f32 weights, or `QMoE` with integers and one scale a row: of its layouts the fastest that keeps its numbers. */
export type OrtMoeKind = "MoE f32" | "QMoE int8" | "QMoE int4"

export interface OrtMoe {
  readonly kind: OrtMoeKind
  /** The experts that it computes: those given, rounded to its integers. */
  readonly experts: readonly PlainExpert[]
  /** `[T, H] → [T, H]` */
  run(out: Float32Array, hidden: Float32Array, numTokens: number): void
  close(): void
}

/** Loads a layer into a session of its own, which spins between calls as onnxruntime does by default. @throws Error in its words */
export function openOrtMoe(
  kind: OrtMoeKind,
  experts: readonly PlainExpert[],
  shape: MoeShape,
  numThreads: number,
): OrtMoe {
  const { hiddenSize } = shape
  const { node, constants, rounded } =
    kind === "MoE f32" ? f32Operator(experts, shape) : integerOperator(kind, experts, shape)
  const model = encodeGraph({
    inputs: [{ name: "x", type: "f32", shape: ["t", hiddenSize] }],
    outputs: [{ name: "y", type: "f32", shape: ["t", hiddenSize] }],
    constants: [f32("router", readingRouter(shape), shape.numExperts, hiddenSize), ...constants],
    nodes: [{ op: "Gemm", inputs: ["x", "router"], outputs: ["logits"], attributes: { transB: 1 } }, node],
  })
  const session = createSession(model, numThreads, { spins: true })
  return {
    kind,
    experts: rounded,
    run: (out, hidden, numTokens) =>
      session.run({ x: tensorOf(hidden, [numTokens, hiddenSize]) }, { y: tensorOf(out, [numTokens, hiddenSize]) }),
    close: () => session.close(),
  }
}

interface Operator {
  readonly node: GraphNode
  readonly constants: readonly GraphConstant[]
  readonly rounded: readonly PlainExpert[]
}

/** `swish(gate) · up` is their SwiGLU with alpha 1 and beta 0; rows of gate and up projection take turns. */
const SWIGLU = {
  domain: "com.microsoft",
  outputs: ["y"],
  floats: { activation_alpha: 1, activation_beta: 0 },
  strings: { activation_type: "swiglu" },
} as const

function routing({ topK }: MoeShape) {
  return { k: topK, normalize_routing_weights: 1, swiglu_fusion: 1 }
}

function f32Operator(experts: readonly PlainExpert[], shape: MoeShape): Operator {
  const { numExperts, hiddenSize, expertIntermediateSize } = shape
  const inner = experts.map((expert) => interleave(expert, shape))
  return {
    rounded: experts,
    constants: [
      f32("inner", concat(inner), numExperts, 2 * expertIntermediateSize, hiddenSize),
      f32("down", concat(experts.map(({ downProj }) => downProj)), numExperts, hiddenSize, expertIntermediateSize),
    ],
    node: { op: "MoE", inputs: ["x", "logits", "inner", "", "down"], attributes: routing(shape), ...SWIGLU },
  }
}

function integerOperator(kind: "QMoE int8" | "QMoE int4", experts: readonly PlainExpert[], shape: MoeShape): Operator {
  const { numExperts, hiddenSize: H, expertIntermediateSize: I } = shape
  const bits = kind === "QMoE int8" ? 8 : 4
  const inner = roundRows(concat(experts.map((expert) => interleave(expert, shape))), H, bits)
  const down = roundRows(concat(experts.map(({ downProj }) => downProj)), I, bits)
  const packed = (name: string, { values }: RoundedRows, rows: number, columns: number): GraphConstant => ({
    name,
    type: "u8",
    shape: [numExperts, rows, (columns * bits) / 8],
    data: values,
  })
  return {
    rounded: experts.map((_, e) => ({
      ...separate(inner.rounded.subarray(e * 2 * I * H, (e + 1) * 2 * I * H), shape),
      downProj: down.rounded.subarray(e * H * I, (e + 1) * H * I),
    })),
    constants: [
      packed("inner", inner, 2 * I, H),
      packed("down", down, H, I),
      f32("innerScale", inner.scales, numExperts, 2 * I),
      f32("downScale", down.scales, numExperts, H),
    ],
    node: {
      op: "QMoE",
      inputs: ["x", "logits", "inner", "innerScale", "", "down", "downScale"],
      attributes: { ...routing(shape), expert_weight_bits: bits },
      ...SWIGLU,
    },
  }
}

function f32(name: string, values: Float32Array, ...shape: readonly number[]): GraphConstant {
  return { name, type: "f32", shape, data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) }
}

function concat(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.length * parts[0]!.length)
  for (const [i, part] of parts.entries()) all.set(part, i * part.length)
  return all
}

/** Returns rows `[2 I, H]`: gate row 0, up row 0, gate row 1, … */
function interleave(
  { gateProj, upProj }: PlainExpert,
  { hiddenSize: H, expertIntermediateSize: I }: MoeShape,
): Float32Array {
  const rows = new Float32Array(2 * I * H)
  for (let i = 0; i < I; i++) {
    rows.set(gateProj!.subarray(i * H, (i + 1) * H), 2 * i * H)
    rows.set(upProj.subarray(i * H, (i + 1) * H), (2 * i + 1) * H)
  }
  return rows
}

/** Undoes `interleave`. */
function separate(
  rows: Float32Array,
  { hiddenSize: H, expertIntermediateSize: I }: MoeShape,
): Required<Pick<PlainExpert, "gateProj" | "upProj">> {
  const [gateProj, upProj] = [new Float32Array(I * H), new Float32Array(I * H)]
  for (let i = 0; i < I; i++) {
    gateProj.set(rows.subarray(2 * i * H, (2 * i + 1) * H), i * H)
    upProj.set(rows.subarray((2 * i + 1) * H, (2 * i + 2) * H), i * H)
  }
  return { gateProj, upProj }
}

interface RoundedRows {
  /** Unsigned around half the range; two to a byte in 4 bits, low first. */
  readonly values: Uint8Array
  readonly scales: Float32Array
  /** What the integers mean. */
  readonly rounded: Float32Array
}

function roundRows(weights: Float32Array, width: number, bits: 4 | 8): RoundedRows {
  const zero = 2 ** (bits - 1)
  const numRows = weights.length / width
  const values = new Uint8Array((weights.length * bits) / 8)
  const scales = new Float32Array(numRows)
  const rounded = new Float32Array(weights.length)
  for (let row = 0; row < numRows; row++) {
    let most = 0
    for (let i = row * width; i < (row + 1) * width; i++) most = Math.max(most, Math.abs(weights[i]!))
    scales[row] = most / (zero - 1)
    const scale = scales[row]! || 1
    for (let i = row * width; i < (row + 1) * width; i++) {
      const q = Math.round(weights[i]! / scale)
      rounded[i] = q * scale
      if (bits === 8) values[i] = q + zero
      else values[i >> 1]! |= (q + zero) << ((i & 1) * 4)
    }
  }
  return { values, scales, rounded }
}
