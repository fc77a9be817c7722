import { createArena, createReferenceBackend } from "@consilium/kernels"
import { createTransformer, ensurePrepared, openPreparedModel, type Transformer } from "@consilium/model"
import { createOnnxBackend } from "@consilium/onnx"
import { Bench } from "tinybench"
import type { Measurement, Suite, SuiteOptions } from "./Suite.ts"

const STREAMS = [1, 4, 16]
const PAST = 64

/** Prefill and decode of a whole model in this process: the step alone, without sampling, HTTP or text. */
export const engine: Suite = {
  name: "engine",
  question: "How many tokens a second does the model's step give, in prefill and for 1, 4 and 16 streams together?",
  takes: ["model", "format", "backend"],
  compares: false,
  flags: [],
  plot: "bars",
  async *run(options) {
    const { modelDir, cacheDir, format, backend: backendName, numThreads } = options
    const { dir } = await ensurePrepared({ sourceDir: modelDir, format, cacheDir, onProgress: () => {} })
    const prepared = openPreparedModel(dir, modelDir)
    const arena = createArena({})
    const backend = backendName === "onnx" ? createOnnxBackend(arena, { numThreads }) : createReferenceBackend(arena)
    const numSlots = Math.max(...STREAMS)
    const capacity = Math.min(prepared.config.contextLength, 1024)
    const transformer = createTransformer({ prepared, backend, numSlots, capacity, maxRows: capacity })
    try {
      for (const numRows of [128, 512].filter((rows) => rows <= capacity))
        yield await prefill(transformer, numRows, options)
      for (const numStreams of STREAMS) yield await decode(transformer, numStreams, options)
    } finally {
      transformer.close()
      backend.close()
      arena.close()
      prepared.close()
    }
  },
}

async function prefill(transformer: Transformer, numRows: number, options: SuiteOptions): Promise<Measurement> {
  const batch = {
    numRows,
    ids: spreadIds(numRows, transformer.config.vocabSize),
    slots: [{ slotId: 0, firstRow: 0, numRows, pastLength: 0, wantsLogits: true }],
  }
  return rate(`prefill ${numRows}`, numRows, () => transformer.run(batch), options)
}

async function decode(transformer: Transformer, numStreams: number, options: SuiteOptions): Promise<Measurement> {
  const { vocabSize } = transformer.config
  for (let slotId = 0; slotId < numStreams; slotId++) {
    const slot = { slotId, firstRow: 0, numRows: PAST, pastLength: 0, wantsLogits: false }
    transformer.run({ numRows: PAST, ids: spreadIds(PAST, vocabSize, slotId), slots: [slot] })
  }
  const batch = {
    numRows: numStreams,
    ids: spreadIds(numStreams, vocabSize),
    slots: Array.from({ length: numStreams }, (_, slotId) => ({
      slotId,
      firstRow: slotId,
      numRows: 1,
      pastLength: PAST,
      wantsLogits: true,
    })),
  }
  return rate(
    `decode, ${numStreams} stream${numStreams > 1 ? "s" : ""}`,
    numStreams,
    () => transformer.run(batch),
    options,
  )
}

/** Times `step` for about two seconds after a warm-up; the samples are tokens a second. */
async function rate(name: string, numTokens: number, step: () => void, { report }: SuiteOptions): Promise<Measurement> {
  report(name)
  const bench = new Bench({ time: 2000, warmupTime: 500, iterations: 5, retainSamples: true })
  bench.add(name, step)
  await bench.run()
  const { result } = bench.tasks[0]!
  if (result.state !== "completed") throw new Error(`${name} did not complete: ${result.state}`)
  return { name, unit: "tok/s", samples: (result.latency.samples ?? []).map((ms) => (numTokens / ms) * 1000) }
}

/** Ids spread over the vocabulary, so that routing is spread too. */
function spreadIds(length: number, vocabSize: number, seed = 0): Int32Array {
  return Int32Array.from({ length }, (_, i) => ((i + 1) * 7919 + seed * 104729) % vocabSize)
}
