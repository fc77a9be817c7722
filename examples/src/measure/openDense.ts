import { generateModel, type ShapeConfig } from "@consilium/benchmarks/generate"
import { complete, Engine, type ModelText } from "@consilium/serving"
import { Effect, ManagedRuntime } from "effect"
import { cpus } from "node:os"
import { join } from "node:path"
import type { Contender } from "./Contender.ts"
import { endless, engineOptions } from "./engineStart.ts"
import { chatRequest } from "./plainRequest.ts"

/** Everything but the width of its feed-forward networks, which is fitted: about four times the hidden size, as is usual. */
const DENSE = {
  model_type: "llama",
  vocab_size: 4096,
  hidden_size: 640,
  num_hidden_layers: 8,
  num_attention_heads: 10,
  num_key_value_heads: 5,
  head_dim: 64,
  max_position_embeddings: 2048,
  rope_theta: 10_000,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: true,
}
/** Widths are multiples of it: kernels work on blocks. */
const BLOCK = 32

/**
 * Generates a dense model of about `numParameters` random weights in `dir`, and starts its engine on all cores.
 *
 * Its vocabulary is the fleet's, and so are the ids of a prompt: what it says is noise, how long it takes is not.
 */
export async function openDense(
  dir: string,
  { numParameters, numSlots }: { readonly numParameters: number; readonly numSlots: number },
  text: ModelText,
): Promise<Contender> {
  const { config, numParameters: found } = denseShape(numParameters)
  const generated = await generateModel(join(dir, "generated"), {
    shape: { name: "dense", config },
    skew: "uniform",
    seed: 1,
    format: "int8",
    dense: "int8",
    withGguf: false,
    signal: new AbortController().signal,
    report: () => {},
  })
  const runtime = ManagedRuntime.make(
    Engine.layer(engineOptions("dense", generated, { numThreads: cpus().length, numSlots })),
  )
  try {
    const engine = await runtime.runPromise(Engine.use(Effect.succeed))
    await Effect.runPromise(engine.ready)
    const sampling = endless(text)
    return {
      numParameters: found,
      numActiveParameters: found,
      async answer(messages, numTokens) {
        const began = performance.now()
        let generatedTokens = 0
        await Effect.runPromise(
          complete(chatRequest(messages, numTokens, sampling), { engine, text }, (event) => {
            if (event.type === "finish") generatedTokens = event.usage.generatedTokens
          }),
        )
        return { ms: performance.now() - began, generatedTokens }
      },
      close: () => runtime.dispose(),
    }
  } catch (error) {
    await runtime.dispose()
    throw error
  }
}

/** Returns the shape that has about as many weights, and how many it has. */
export function denseShape(numParameters: number): { readonly config: ShapeConfig; readonly numParameters: number } {
  const { vocab_size, hidden_size, num_hidden_layers, num_attention_heads, num_key_value_heads, head_dim } = DENSE
  const attention = 2 * hidden_size * head_dim * (num_attention_heads + num_key_value_heads)
  const rest = (vocab_size + 1) * hidden_size + num_hidden_layers * (attention + 2 * hidden_size)
  const perWidth = 3 * hidden_size * num_hidden_layers
  const width = Math.round((numParameters - rest) / (perWidth * BLOCK)) * BLOCK
  if (width < BLOCK)
    throw new Error(
      `a dense model of ${numParameters} weights: expected ${rest} and more, its attention alone takes so many`,
    )
  return { config: { ...DENSE, intermediate_size: width }, numParameters: rest + perWidth * width }
}
