/** Exports a checkpoint of Qwen2-MoE's family as a plain ONNX graph, in Optimum's form: what a user would bring, made without anybody's tools. */
import { loadModelConfig, type ModelConfig, openCheckpoint } from "@consilium/model"
import { GraphWriter } from "./GraphWriter.ts"

interface Matrix {
  readonly values: Float32Array
  readonly shape: readonly number[]
}
type Read = (name: string) => Matrix

interface Decoder {
  readonly graph: GraphWriter
  readonly read: Read
  readonly config: ModelConfig
  /** Cosines and sines of the rows' positions, `[1, T, 1, headDim / 2]`. */
  readonly rope: { readonly cos: string; readonly sin: string }
  /** `[T, L]`: far below 0 where a row must not look. */
  readonly maskOf: (keys: string) => string
  readonly hasCache: boolean
}

/** @param hasCache whether it remembers keys and values, or reads the whole text each time */
export function exportDecoder(dir: string, hasCache: boolean): Uint8Array {
  const checkpoint = openCheckpoint(dir)
  try {
    const read: Read = (name) => {
      const shape = checkpoint.shape(name)
      return { values: checkpoint.readTensor(name, shape), shape }
    }
    return writeDecoder(read, loadModelConfig(dir).config, hasCache)
  } finally {
    checkpoint.close()
  }
}

function writeDecoder(read: Read, config: ModelConfig, hasCache: boolean): Uint8Array {
  const graph = new GraphWriter()
  const ids = graph.input("input_ids", "i64", ["batch", "length"])
  graph.input("attention_mask", "i64", ["batch", "total"])
  const zero = graph.int(0)
  const lengthOf = (value: string, axis: number): string =>
    graph.node("Gather", [graph.node("Shape", [value]), graph.int(axis)], { attributes: { axis: 0 } })
  const upTo = (limit: string): string => graph.node("Range", [zero, limit, graph.int(1)])
  const positions = hasCache
    ? graph.node("Squeeze", [graph.input("position_ids", "i64", ["batch", "length"]), graph.ints(0)])
    : upTo(lengthOf(ids, 1))
  const maskOf = (keys: string): string => {
    const rows = graph.node("Unsqueeze", [positions, graph.ints(1)])
    const isLater = graph.node("Greater", [upTo(lengthOf(keys, 2)), rows])
    return graph.node("Where", [isLater, graph.scalar(-1e9), graph.scalar(0)])
  }
  const embedding = read("model.embed_tokens.weight")
  const decoder: Decoder = { graph, read, config, rope: writeRope(graph, config, positions), maskOf, hasCache }
  let hidden = graph.node("Gather", [graph.floats(embedding.values, embedding.shape), ids], { attributes: { axis: 0 } })
  for (let layer = 0; layer < config.layers.length; layer++) hidden = writeLayer(decoder, layer, hidden)
  const normed = writeNorm(decoder, hidden, "model.norm.weight")
  graph.output("logits", linear(graph, normed, [embedding]), "f32", ["batch", "length", config.vocabSize])
  return graph.encode()
}

function writeLayer(decoder: Decoder, layer: number, hidden: string): string {
  const { graph } = decoder
  const prefix = `model.layers.${layer}`
  const attended = writeAttention(decoder, layer, writeNorm(decoder, hidden, `${prefix}.input_layernorm.weight`))
  const between = graph.node("Add", [hidden, attended])
  const normed = writeNorm(decoder, between, `${prefix}.post_attention_layernorm.weight`)
  return graph.node("Add", [between, writeExperts(decoder, layer, normed)])
}

function writeAttention(decoder: Decoder, layer: number, normed: string): string {
  const { graph, read, config, rope, maskOf, hasCache } = decoder
  const { numHeads, numKvHeads, headDim } = config.layers[layer]!.attention
  const prefix = `model.layers.${layer}.self_attn`
  const project = (name: string, heads: readonly number[]): string => {
    const { values, shape } = read(`${prefix}.${name}.bias`)
    const rows = graph.node("Add", [
      linear(graph, normed, [read(`${prefix}.${name}.weight`)]),
      graph.floats(values, shape),
    ])
    return graph.node("Reshape", [rows, graph.ints(1, -1, ...heads, headDim)])
  }
  const rotate = (rows: string): string => {
    const [low, high] = graph.nodes("Split", [rows], 2, { attributes: { axis: 3, num_outputs: 2 } }) as [string, string]
    const times = (a: string, b: string): string => graph.node("Mul", [a, b])
    const turned = [
      graph.node("Sub", [times(low, rope.cos), times(high, rope.sin)]),
      graph.node("Add", [times(high, rope.cos), times(low, rope.sin)]),
    ]
    return graph.node("Concat", turned, { attributes: { axis: 3 } })
  }
  const remember = (rows: string, what: "key" | "value"): string => {
    const own = graph.einsum("btkd->bktd", rows)
    if (!hasCache) return own
    const past = graph.input(`past_key_values.${layer}.${what}`, "f32", ["batch", numKvHeads, "past", headDim])
    const all = graph.node("Concat", [past, own], { attributes: { axis: 2 } })
    graph.output(`present.${layer}.${what}`, all, "f32", ["batch", numKvHeads, "total", headDim])
    return all
  }
  const queries = graph.node("Reshape", [
    rotate(project("q_proj", [numHeads])),
    graph.ints(1, -1, numKvHeads, numHeads / numKvHeads, headDim),
  ])
  const keys = remember(rotate(project("k_proj", [numKvHeads])), "key")
  const values = remember(project("v_proj", [numKvHeads]), "value")
  const scores = graph.node("Mul", [graph.einsum("btkgd,bkld->bkgtl", queries, keys), graph.scalar(headDim ** -0.5)])
  const weights = graph.node("Softmax", [graph.node("Add", [scores, maskOf(keys)])], { attributes: { axis: -1 } })
  const mixed = graph.einsum("bkgtl,bkld->btkgd", weights, values)
  const rows = graph.node("Reshape", [mixed, graph.ints(1, -1, numHeads * headDim)])
  return linear(graph, rows, [read(`${prefix}.o_proj.weight`)])
}

/** All experts compute every row; those that the router did not choose weigh 0. */
function writeExperts({ graph, read, config }: Decoder, layer: number, normed: string): string {
  const { feedForward } = config.layers[layer]!
  if (feedForward.kind !== "moe") throw new Error("expected layers with experts")
  const { numExperts, topK } = feedForward
  const prefix = `model.layers.${layer}.mlp`
  const logits = linear(graph, normed, [read(`${prefix}.gate.weight`)])
  const chances = graph.node("Softmax", [logits], { attributes: { axis: -1 } })
  const [best, places] = graph.nodes("TopK", [chances, graph.ints(topK)], 2, { attributes: { axis: -1 } }) as [
    string,
    string,
  ]
  const sum = graph.node("ReduceSum", [best, graph.ints(-1)], { attributes: { keepdims: 1 } })
  const zeros = graph.node("Mul", [chances, graph.scalar(0)])
  const weights = graph.node("ScatterElements", [zeros, places, graph.node("Div", [best, sum])], {
    attributes: { axis: -1 },
  })
  const mlp = (rows: string, matricesOf: (name: string) => readonly Matrix[]): string => {
    const gate = linear(graph, rows, matricesOf("gate_proj"))
    const swish = graph.node("Mul", [gate, graph.node("Sigmoid", [gate])])
    const inner = graph.node("Mul", [swish, linear(graph, rows, matricesOf("up_proj"))])
    return linear(graph, inner, matricesOf("down_proj"))
  }
  const each = graph.node("Unsqueeze", [normed, graph.ints(1)])
  const experts = mlp(each, (name) =>
    Array.from({ length: numExperts }, (_, e) => read(`${prefix}.experts.${e}.${name}.weight`)),
  )
  const routed = graph.einsum("bte,beto->bto", weights, experts)
  const shared = mlp(normed, (name) => [read(`${prefix}.shared_expert.${name}.weight`)])
  const open = linear(graph, normed, [read(`${prefix}.shared_expert_gate.weight`)])
  return graph.node("Add", [routed, graph.node("Mul", [shared, graph.node("Sigmoid", [open])])])
}

function writeNorm(
  { graph, read, config }: Pick<Decoder, "graph" | "read" | "config">,
  rows: string,
  name: string,
): string {
  const { values, shape } = read(name)
  const squares = graph.node("ReduceMean", [graph.node("Mul", [rows, rows]), graph.ints(-1)], {
    attributes: { keepdims: 1 },
  })
  const root = graph.node("Sqrt", [graph.node("Add", [squares, graph.scalar(config.normEpsilon)])])
  return graph.node("Mul", [graph.node("Div", [rows, root]), graph.floats(values, shape)])
}

function writeRope(graph: GraphWriter, { layers, contextLength }: ModelConfig, positions: string): Decoder["rope"] {
  const { rope } = layers[0]!.attention
  const half = rope.rotaryDim / 2
  const table = (of: (angle: number) => number): string => {
    const values = Float32Array.from({ length: contextLength * half }, (_, at) =>
      of(Math.floor(at / half) / rope.theta ** ((2 * (at % half)) / rope.rotaryDim)),
    )
    const rows = graph.node("Gather", [graph.floats(values, [contextLength, half]), positions], {
      attributes: { axis: 0 },
    })
    return graph.node("Unsqueeze", [rows, graph.ints(0, 2)])
  }
  return { cos: table(Math.cos), sin: table(Math.sin) }
}

/** Rows by matrices `[out, in]`, as checkpoints have them; several are those of experts, each for a run of rows of its own. */
function linear(graph: GraphWriter, rows: string, matrices: readonly Matrix[]): string {
  const [height, width] = matrices[0]!.shape as [number, number]
  const turned = new Float32Array(matrices.length * height * width)
  for (const [m, { values }] of matrices.entries())
    for (let o = 0; o < height; o++)
      for (let i = 0; i < width; i++) turned[(m * width + i) * height + o] = values[o * width + i]!
  const shape = matrices.length === 1 ? [width, height] : [matrices.length, width, height]
  return graph.node("MatMul", [rows, graph.floats(turned, shape)])
}
