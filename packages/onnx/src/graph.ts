import { onnx } from "onnx-proto"

/** Element types by ONNX' numbers. */
const ELEMENT = { f32: 1, u8: 2, i8: 3, i32: 6, i64: 7, f16: 10 } as const

type Dimension = number | string

/** A value that enters or leaves a graph. */
export interface GraphValue {
  readonly name: string
  readonly type: keyof typeof ELEMENT
  /** A string is a dimension known at run time only. */
  readonly shape: readonly Dimension[]
}

/** A constant inside a graph. */
export interface GraphConstant extends GraphValue {
  readonly shape: readonly number[]
  readonly data: Uint8Array
}

export interface GraphNode {
  readonly op: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly domain?: "" | "com.microsoft"
  readonly attributes?: Readonly<Record<string, number>>
  /** Attributes that ONNX wants as floats. */
  readonly floats?: Readonly<Record<string, number>>
  readonly strings?: Readonly<Record<string, string>>
}

export interface Graph {
  readonly inputs: readonly GraphValue[]
  readonly outputs: readonly GraphValue[]
  readonly nodes: readonly GraphNode[]
  readonly constants?: readonly GraphConstant[]
}

const INT_ATTRIBUTE = onnx.AttributeProto.AttributeType.INT
const FLOAT_ATTRIBUTE = onnx.AttributeProto.AttributeType.FLOAT
const STRING_ATTRIBUTE = onnx.AttributeProto.AttributeType.STRING

/** Encodes a graph as an ONNX model. */
export function encodeGraph({ inputs, outputs, nodes, constants = [] }: Graph): Uint8Array {
  const value = ({ name, type, shape }: GraphValue) => ({
    name,
    type: {
      tensorType: {
        elemType: ELEMENT[type],
        shape: { dim: shape.map((size) => (typeof size === "number" ? { dimValue: size } : { dimParam: size })) },
      },
    },
  })
  const node = ({ op, inputs: input, outputs: output, domain = "", attributes = {}, ...rest }: GraphNode) => ({
    opType: op,
    input: [...input],
    output: [...output],
    domain,
    attribute: [
      ...Object.entries(attributes).map(([name, i]) => ({ name, type: INT_ATTRIBUTE, i })),
      ...Object.entries(rest.floats ?? {}).map(([name, f]) => ({ name, type: FLOAT_ATTRIBUTE, f })),
      ...Object.entries(rest.strings ?? {}).map(([name, text]) => ({
        name,
        type: STRING_ATTRIBUTE,
        s: new TextEncoder().encode(text),
      })),
    ],
  })
  const model = onnx.ModelProto.create({
    irVersion: 10,
    opsetImport: [
      { domain: "", version: 21 },
      { domain: "com.microsoft", version: 1 },
    ],
    graph: {
      name: "consilium",
      node: nodes.map(node),
      input: inputs.map(value),
      output: outputs.map(value),
      initializer: constants.map(({ name, type, shape, data }) => ({
        name,
        dataType: ELEMENT[type],
        dims: [...shape],
        rawData: data,
      })),
    },
  })
  return onnx.ModelProto.encode(model).finish()
}

/** A scalar f32 or u8 constant. */
export function scalar(name: string, type: "f32" | "u8", value: number): GraphConstant {
  const data = type === "u8" ? Uint8Array.of(value) : new Uint8Array(Float32Array.of(value).buffer)
  return { name, type, shape: [], data }
}
