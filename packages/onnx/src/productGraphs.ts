/** The graphs of products. Weights are inputs (`f32`, `int8`), so that one graph serves every slab, or constants (`int4`). */
import type { Activation, MatrixLayout } from "@consilium/kernels"
import { type Graph, type GraphConstant, type GraphNode, type GraphValue, scalar } from "./graph.ts"

/** What a product's graph depends on. */
export interface ProductKind {
  readonly hasBias: boolean
}

/** What an expert's first half depends on. */
export interface InnerKind extends ProductKind {
  readonly activation: Activation
  readonly hasGateProj: boolean
}

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
export function int8Inner({ activation, hasGateProj, hasBias }: InnerKind): Graph {
  const projections = hasGateProj ? ["gate", "up"] : ["up"]
  return {
    inputs: int8Inputs(projections, hasBias),
    outputs: [f32("y", "m", "n")],
    constants: [scalar("one", "f32", 1), scalar("zero", "u8", ZERO_POINT)],
    nodes: [
      ...projections.flatMap((name) => int8Nodes(name, `${name}Out`, hasBias)),
      ...activationNodes(activation, hasGateProj),
    ],
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
export function f32Inner({ activation, hasGateProj, hasBias }: InnerKind): Graph {
  const projections = hasGateProj ? ["gate", "up"] : ["up"]
  const inputs = projections.flatMap((name) => [f32(name, "n", "k"), ...(hasBias ? [f32(`${name}Bias`, "n")] : [])])
  return {
    inputs: [f32("x", "m", "k"), ...inputs],
    outputs: [f32("y", "m", "n")],
    nodes: [
      ...projections.map((name) => gemm("x", name, `${name}Out`, hasBias)),
      ...activationNodes(activation, hasGateProj),
    ],
  }
}

/** A packed 4-bit matrix as the constants of a MatMulNBits node. */
export interface Int4Weights {
  readonly layout: MatrixLayout
  readonly values: Uint8Array
  readonly scales: Uint8Array
  readonly zeroPoints: Uint8Array
  readonly bias: Uint8Array | undefined
}

/** `y = x · wᵀ (+ bias)` with the matrix inside. */
export function int4Product(weights: Int4Weights): Graph {
  const { paddedRows, paddedColumns } = weights.layout
  return {
    inputs: [f32("x", "m", paddedColumns)],
    outputs: [f32("y", "m", paddedRows)],
    constants: [...int4Constants("w", weights), ...FAULT_CONSTANTS],
    nodes: [...int4Nodes("x", "w", "product", weights), ...faultNodes(["x"], "product", "y")],
  }
}

/** A whole 4-bit expert with its weights inside. */
export function int4Expert(
  activation: Activation,
  { gateProj, upProj, downProj }: { gateProj: Int4Weights | undefined; upProj: Int4Weights; downProj: Int4Weights },
): Graph {
  const inner = [...(gateProj === undefined ? [] : [["gate", gateProj] as const]), ["up", upProj] as const]
  // The intermediate is as wide as padded rows (32), downProj reads padded columns (64): zeros fill the difference.
  const gap = downProj.layout.paddedColumns - upProj.layout.paddedRows
  return {
    inputs: [f32("x", "m", upProj.layout.paddedColumns)],
    outputs: [f32("y", "m", downProj.layout.paddedRows)],
    constants: [
      ...inner.flatMap(([name, weights]) => int4Constants(name, weights)),
      ...int4Constants("down", downProj),
      ...FAULT_CONSTANTS,
      ...(gap > 0
        ? [
            {
              name: "gap",
              type: "i64",
              shape: [4],
              data: new Uint8Array(BigInt64Array.of(0n, 0n, 0n, BigInt(gap)).buffer),
            } as const,
          ]
        : []),
    ],
    nodes: [
      ...inner.flatMap(([name, weights]) => int4Nodes("x", name, `${name}Out`, weights)),
      ...activationNodes(activation, gateProj !== undefined, "inner"),
      ...(gap > 0 ? [{ op: "Pad", inputs: ["inner", "gap"], outputs: ["padded"] }] : []),
      ...int4Nodes(gap > 0 ? "padded" : "inner", "down", "downOut", downProj),
      ...faultNodes(["x", "inner"], "downOut", "y"),
    ],
  }
}

const FAULT_CONSTANTS: readonly GraphConstant[] = [
  scalar("nothing", "f32", 0),
  { name: "lastAxis", type: "i64", shape: [1], data: new Uint8Array(BigInt64Array.of(-1n).buffer) },
]

/** Writes `out = product + 0 · Σ rows`: MatMulNBits rounds NaN of its rows to some number, and a fault would vanish. */
function faultNodes(rows: readonly string[], product: string, out: string): GraphNode[] {
  const sums = rows.map((name) => `${name}Sum`)
  return [
    ...rows.map((name) => ({ op: "ReduceSum", inputs: [name, "lastAxis"], outputs: [`${name}Sum`] })),
    { op: "Sum", inputs: sums, outputs: ["rowSum"] },
    { op: "Mul", inputs: ["rowSum", "nothing"], outputs: ["fault"] },
    { op: "Add", inputs: [product, "fault"], outputs: [out] },
  ]
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

/** Writes `out` from `gateOut` and `upOut`. */
function activationNodes(activation: Activation, hasGateProj: boolean, out = "y"): GraphNode[] {
  const input = hasGateProj ? "gateOut" : "upOut"
  const activated = hasGateProj ? "activated" : out
  const activate: GraphNode[] =
    activation === "relu"
      ? [{ op: "Relu", inputs: [input], outputs: [activated] }]
      : [
          { op: "Sigmoid", inputs: [input], outputs: ["sigmoid"] },
          { op: "Mul", inputs: [input, "sigmoid"], outputs: [activated] },
        ]
  return hasGateProj ? [...activate, { op: "Mul", inputs: [activated, "upOut"], outputs: [out] }] : activate
}

const INT4_BLOCK = 32

function int4Constants(name: string, { layout, values, scales, zeroPoints, bias }: Int4Weights): GraphConstant[] {
  const { paddedRows, paddedColumns } = layout
  const blocks = paddedColumns / INT4_BLOCK
  return [
    { name, type: "u8", shape: [paddedRows, blocks, INT4_BLOCK / 2], data: values },
    { name: `${name}Scale`, type: "f32", shape: [paddedRows * blocks], data: scales },
    { name: `${name}Zero`, type: "u8", shape: [(paddedRows * blocks) / 2], data: zeroPoints },
    ...(bias === undefined ? [] : [{ name: `${name}Bias`, type: "f32", shape: [paddedRows], data: bias } as const]),
  ]
}

function int4Nodes(x: string, name: string, out: string, { layout, bias }: Int4Weights): GraphNode[] {
  const product = bias === undefined ? out : `${name}Product`
  return [
    {
      op: "MatMulNBits",
      inputs: [x, name, `${name}Scale`, `${name}Zero`],
      outputs: [product],
      domain: "com.microsoft",
      attributes: { K: layout.paddedColumns, N: layout.paddedRows, bits: 4, block_size: INT4_BLOCK, accuracy_level: 4 },
    },
    ...(bias === undefined ? [] : [{ op: "Add", inputs: [product, `${name}Bias`], outputs: [out] }]),
  ]
}
