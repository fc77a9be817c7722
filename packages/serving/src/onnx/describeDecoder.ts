import type { ForeignModel, ForeignTensor } from "@consilium/onnx"

/** One tensor of the cache: what a layer remembers as keys or values, `[1, numHeads, length, headSize]`. */
export interface CacheTensor {
  readonly input: string
  readonly output: string
  readonly type: "f32" | "f16"
  readonly numHeads: number
  readonly headSize: number
}

/** What a user's decoder takes and gives: the form in which Optimum and onnxruntime-genai export them. */
export interface DecoderShape {
  readonly logits: {
    readonly type: "f32" | "f16"
    /** The model gives the last row's alone. */
    readonly isLastOnly: boolean
  }
  readonly vocabSize: number
  /** Integers beside `input_ids`, by name. */
  readonly integers: ReadonlyMap<string, "i32" | "i64">
  /** Empty where the model remembers nothing: then it reads the whole text for each token. */
  readonly cache: readonly CacheTensor[]
}

const PAST = "past_key_values."
const PRESENT = "present."
const INTEGERS = ["input_ids", "attention_mask", "position_ids"]

/**
 * Reads what a decoder takes and gives, and makes sure that we can feed it.
 *
 * @param vocabSize as the model's config has it, where the graph does not say
 * @throws Error in one line on a model of another form
 */
export function describeDecoder({ inputs, outputs }: ForeignModel, path: string, vocabSize?: number): DecoderShape {
  const fail = (expected: string, found: string): never => {
    throw new Error(`${path}: expected ${expected}, found ${found}`)
  }
  const integers = new Map<string, "i32" | "i64">()
  const cache: CacheTensor[] = []
  for (const input of inputs) {
    const { name, type } = input
    if (INTEGERS.includes(name) && (type === "i32" || type === "i64")) integers.set(name, type)
    else if (name.startsWith(PAST)) cache.push(cacheTensor(input, outputs, fail))
    else fail(`the inputs ${INTEGERS.join(", ")} in integers and ${PAST}…`, `${name} (${type})`)
  }
  if (!integers.has("input_ids")) fail("an input called input_ids", inputs.map(({ name }) => name).join(", ") || "none")
  const logits = outputs.find(({ name }) => name === "logits")
  if (logits === undefined || logits.shape.length !== 3 || (logits.type !== "f32" && logits.type !== "f16"))
    return fail("an output called logits, of three dimensions in floats", outputs.map(describe).join(", "))
  const [, rows, width] = logits.shape
  const size = width! > 0 ? width! : vocabSize
  if (size === undefined) return fail("a size of the vocabulary in the graph, or vocab_size in config.json", "neither")
  return { logits: { type: logits.type, isLastOnly: rows === 1 }, vocabSize: size, integers, cache }
}

function cacheTensor(
  input: ForeignTensor,
  outputs: readonly ForeignTensor[],
  fail: (expected: string, found: string) => never,
): CacheTensor {
  const { name, type, shape } = input
  const [, numHeads = 0, , headSize = 0] = shape
  if (shape.length !== 4 || numHeads < 1 || headSize < 1 || (type !== "f32" && type !== "f16"))
    return fail(`${name} in floats of [batch, heads, length, size] with heads and size known`, describe(input))
  const output = name.replace(PAST, PRESENT)
  if (outputs.every((other) => other.name !== output)) return fail(`an output called ${output} for ${name}`, "none")
  return { input: name, output, type, numHeads, headSize }
}

const describe = ({ name, type, shape }: ForeignTensor): string => `${name} (${type} of [${shape.join(", ")}])`
