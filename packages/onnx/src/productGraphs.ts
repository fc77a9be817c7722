/** The graphs of products. Weights are inputs, so that one graph serves every slab. */
import type { ExpertActivation, PlainActivation } from "@consilium/kernels"
import { SWIGLU_SLOPE } from "@consilium/tensor"
import { type Graph, type GraphNode, type GraphValue, scalar } from "./graph.ts"

/** What a product's graph depends on. */
export interface ProductKind {
  readonly hasBias: boolean
}

/** What an expert's first half depends on. */
export type InnerKind = ProductKind & ExpertActivation

/** Activations are uint8 around this zero point: signed ones are several times slower in onnxruntime. */
export const ZERO_POINT = 128

/** `y = (x - 128) · w · rowScale · columnScale (+ bias)`: x `[m, k]` u8, w `[k, n]` i8. */
export function int8Product({ hasBias }: ProductKind): Graph {
  return {
    inputs: int8Inputs(["w"], hasBias),
    outputs: [f32("y", "m", "n")],
    constants: [scalar("one", "f32", 1), scalar("zero", "u8", ZERO_POINT)],
    nodes: int8Nodes("w", "y", hasBias),
  }
}

/** The first half of an expert, `y = act(gate · x) ⊙ (up · x)` or `act(up · x)`, on quantised rows. */
export function int8Inner(kind: InnerKind): Graph {
  const { hasGateProj, hasBias } = kind
  const projections = hasGateProj ? ["gate", "up"] : ["up"]
  const { constants, nodes } = activate(kind)
  return {
    inputs: int8Inputs(projections, hasBias),
    outputs: [f32("y", "m", "n")],
    constants: [scalar("one", "f32", 1), scalar("zero", "u8", ZERO_POINT), ...constants],
    nodes: [...projections.flatMap((name) => int8Nodes(name, `${name}Out`, hasBias)), ...nodes],
  }
}

/** `y = x · wᵀ (+ bias)`: x `[m, k]`, w `[n, k]`, both f32. */
export function f32Product({ hasBias }: ProductKind): Graph {
  return {
    inputs: [f32("x", "m", "k"), f32("w", "n", "k"), ...(hasBias ? [f32("wBias", "n")] : [])],
    outputs: [f32("y", "m", "n")],
    nodes: [gemm("x", "w", "y", hasBias)],
  }
}

/** The first half of an expert in f32. */
export function f32Inner(kind: InnerKind): Graph {
  const { hasGateProj, hasBias } = kind
  const projections = hasGateProj ? ["gate", "up"] : ["up"]
  const { constants, nodes } = activate(kind)
  const inputs = projections.flatMap((name) => [f32(name, "n", "k"), ...(hasBias ? [f32(`${name}Bias`, "n")] : [])])
  return {
    inputs: [f32("x", "m", "k"), ...inputs],
    outputs: [f32("y", "m", "n")],
    constants,
    nodes: [...projections.map((name) => gemm("x", name, `${name}Out`, hasBias)), ...nodes],
  }
}

function f32(name: string, ...shape: (number | string)[]): GraphValue {
  return { name, type: "f32", shape }
}

function int8Inputs(projections: readonly string[], hasBias: boolean): GraphValue[] {
  const ofProjection = (name: string): GraphValue[] => [
    { name, type: "i8", shape: ["k", "n"] },
    f32(`${name}Scale`, "n"),
    ...(hasBias ? [f32(`${name}Bias`, "n")] : []),
  ]
  return [{ name: "x", type: "u8", shape: ["m", "k"] }, f32("rowScale", "m", 1), ...projections.flatMap(ofProjection)]
}

function int8Nodes(name: string, out: string, hasBias: boolean): GraphNode[] {
  const product = `${name}Product`
  const scaled = hasBias ? `${name}Scaled` : out
  return [
    {
      op: "MatMulIntegerToFloat",
      inputs: ["x", name, "one", `${name}Scale`, "zero"],
      outputs: [product],
      domain: "com.microsoft",
    },
    { op: "Mul", inputs: [product, "rowScale"], outputs: [scaled] },
    ...(hasBias ? [{ op: "Add", inputs: [scaled, `${name}Bias`], outputs: [out] }] : []),
  ]
}

function gemm(x: string, weight: string, out: string, hasBias: boolean): GraphNode {
  return {
    op: "Gemm",
    inputs: [x, weight, ...(hasBias ? [`${weight}Bias`] : [])],
    outputs: [out],
    attributes: { transB: 1 },
  }
}

/** A part of a graph. */
type Part = Required<Pick<Graph, "constants" | "nodes">>

/** Writes `y` from `gateOut` and `upOut`. */
function activate(kind: ExpertActivation): Part {
  if (!kind.hasGateProj) return { constants: [], nodes: plainNodes(kind.activation, "upOut", "y") }
  if (typeof kind.activation !== "string") return clampedSwiglu(kind.activation.limit)
  const gated: GraphNode = { op: "Mul", inputs: ["activated", "upOut"], outputs: ["y"] }
  return { constants: [], nodes: [...plainNodes(kind.activation, "gateOut", "activated"), gated] }
}

function plainNodes(activation: PlainActivation, input: string, output: string): GraphNode[] {
  if (activation === "relu") return [{ op: "Relu", inputs: [input], outputs: [output] }]
  return [
    { op: "Sigmoid", inputs: [input], outputs: ["sigmoid"] },
    { op: "Mul", inputs: [input, "sigmoid"], outputs: [output] },
  ]
}

/** `clampedSwiglu` of `tensor`, by nodes. */
function clampedSwiglu(limit: number): Part {
  return {
    constants: [
      scalar("limit", "f32", limit),
      scalar("lowest", "f32", -limit),
      scalar("slope", "f32", SWIGLU_SLOPE),
      scalar("shift", "f32", 1),
    ],
    nodes: [
      { op: "Min", inputs: ["gateOut", "limit"], outputs: ["gateClamped"] },
      { op: "Min", inputs: ["upOut", "limit"], outputs: ["upBelow"] },
      { op: "Max", inputs: ["upBelow", "lowest"], outputs: ["upClamped"] },
      { op: "Mul", inputs: ["gateClamped", "slope"], outputs: ["steeper"] },
      { op: "Sigmoid", inputs: ["steeper"], outputs: ["sigmoid"] },
      { op: "Mul", inputs: ["gateClamped", "sigmoid"], outputs: ["activated"] },
      { op: "Add", inputs: ["upClamped", "shift"], outputs: ["upShifted"] },
      { op: "Mul", inputs: ["activated", "upShifted"], outputs: ["y"] },
    ],
  }
}
