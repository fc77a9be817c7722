import { createMoeLayer, moeLayerPlain, type PlainExpert } from "@consilium/experts"
import { createArena, createReferenceBackend, type Format } from "@consilium/kernels"
import { createOnnxBackend } from "@consilium/onnx"
import { noise } from "@consilium/tensor"
import { Bench } from "tinybench"
import type { Measurement, Suite } from "./Suite.ts"

/** The layer of the package's README, with SwiGLU experts: 8 experts, 2 a token. */
const SHAPE = { hiddenSize: 768, expertIntermediateSize: 1024, topK: 2, activation: "silu" } as const
const NUM_EXPERTS = 8
const NUM_TOKENS = [1, 64]

/** Does grouping tokens by expert, on a backend, beat a plain loop over tokens and their experts? */
export const layer: Suite = {
  name: "layer",
  question:
    "How much faster is the layer than a plain loop over tokens and their experts (768 → 1024 → 768, 8 experts, 2 a token)?",
  takes: ["format", "backend"],
  compares: true,
  flags: [],
  plot: "bars",
  async *run({ numThreads, report }) {
    const { hiddenSize, expertIntermediateSize, activation } = SHAPE
    const size = hiddenSize * expertIntermediateSize
    const experts = Array.from({ length: NUM_EXPERTS }, (_, e): PlainExpert => ({
      gateProj: noise(size, e * 3, 0.03),
      upProj: noise(size, e * 3 + 1, 0.03),
      downProj: noise(size, e * 3 + 2, 0.03),
    }))
    const router = { kind: "linear", weight: noise(NUM_EXPERTS * hiddenSize, 99, 0.05) } as const
    const arena = createArena({})
    const backends = { reference: createReferenceBackend(arena), onnx: createOnnxBackend(arena, { numThreads }) }

    for (const numTokens of NUM_TOKENS) {
      const hidden = noise(numTokens * hiddenSize, 7, 1)
      const bench = new Bench({ time: 1500, warmupTime: 300, iterations: 3, retainSamples: true })
      const layers = (["onnx", "reference"] as const).flatMap((backend) =>
        (backend === "onnx" ? (["f32", "int8", "int4"] as const) : (["f32"] as const)).map((format: Format) => ({
          name: `${backend} ${format}, ${numTokens} tokens`,
          made: createMoeLayer({ ...SHAPE, backend: backends[backend], format, router, experts }),
        })),
      )
      const { routing } = layers[0]!.made.run(hidden)
      const out = new Float32Array(numTokens * hiddenSize)
      bench.add(`plain loop, ${numTokens} tokens`, () =>
        moeLayerPlain(out, hidden, routing, experts, { hiddenSize, activation }),
      )
      for (const { name, made } of layers) bench.add(name, () => made.run(hidden))
      report(`${numTokens} tokens`)
      await bench.run()
      for (const { name, result } of bench.tasks) {
        if (result.state !== "completed") throw new Error(`${name} did not complete: ${result.state}`)
        yield { name, unit: "ms", samples: result.latency.samples ?? [] } satisfies Measurement
      }
      for (const { made } of layers) made.close()
    }
    for (const backend of Object.values(backends)) backend.close()
    arena.close()
  },
}
