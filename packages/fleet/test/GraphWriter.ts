import { encodeGraph, type GraphConstant, type GraphNode, type GraphValue } from "@consilium/onnx"

/** Writes an ONNX graph node by node; each returns the name of its value. */
export class GraphWriter {
  readonly #nodes: GraphNode[] = []
  readonly #constants: GraphConstant[] = []
  readonly #inputs: GraphValue[] = []
  readonly #outputs: GraphValue[] = []

  input(name: string, type: "f32" | "i64", shape: GraphValue["shape"]): string {
    this.#inputs.push({ name, type, shape })
    return name
  }

  /** Gives a value out under a name of its own. */
  output(name: string, value: string, type: "f32" | "i64", shape: GraphValue["shape"]): void {
    this.#outputs.push({ name, type, shape })
    this.#nodes.push({ op: "Identity", inputs: [value], outputs: [name] })
  }

  /** A node with one output. */
  node(op: string, inputs: readonly string[], rest: Omit<GraphNode, "op" | "inputs" | "outputs"> = {}): string {
    return this.nodes(op, inputs, 1, rest)[0]!
  }

  nodes(
    op: string,
    inputs: readonly string[],
    numOutputs: number,
    rest: Omit<GraphNode, "op" | "inputs" | "outputs"> = {},
  ): string[] {
    const outputs = Array.from({ length: numOutputs }, (_, i) => `${op}_${this.#nodes.length}_${i}`)
    this.#nodes.push({ op, inputs, outputs, ...rest })
    return outputs
  }

  einsum(equation: string, ...inputs: string[]): string {
    return this.node("Einsum", inputs, { strings: { equation } })
  }

  floats(values: Float32Array, shape: readonly number[]): string {
    return this.#constant("f32", new Uint8Array(values.slice().buffer), shape)
  }

  scalar(value: number): string {
    return this.floats(Float32Array.of(value), [])
  }

  ints(...values: number[]): string {
    return this.#constant("i64", new Uint8Array(BigInt64Array.from(values, BigInt).buffer), [values.length])
  }

  /** One whole number without dimensions. */
  int(value: number): string {
    return this.#constant("i64", new Uint8Array(BigInt64Array.of(BigInt(value)).buffer), [])
  }

  encode(): Uint8Array {
    return encodeGraph({
      inputs: this.#inputs,
      outputs: this.#outputs,
      nodes: this.#nodes,
      constants: this.#constants,
    })
  }

  #constant(type: "f32" | "i64", data: Uint8Array, shape: readonly number[]): string {
    const name = `constant_${this.#constants.length}`
    this.#constants.push({ name, type, shape, data })
    return name
  }
}
