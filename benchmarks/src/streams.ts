import { dirname } from "node:path"
import { createQuestionEncoder } from "./createQuestionEncoder.ts"
import { describeVariant, MODEL_FLAGS, nameModel, prepareEngineModel } from "./engineModel.ts"
import { streamChat, type StreamTiming } from "./load/streamChat.ts"
import { type AloneEngine, openAloneEngine } from "./openAloneEngine.ts"
import { startService } from "./startService.ts"
import type { Suite } from "./Suite.ts"

const STREAMS = [1, 4, 16]
const ROUNDS = 5
const MAX_TOKENS = 96
/** Positions of a sequence: prompt, template and answer. */
const CAPACITY = 512

const HTTP = "through HTTP"
const ALONE = "the engine alone"

/** Tokens a second through the whole service, text and HTTP included, and how much of the engine's own rate that is. */
export const streams: Suite = {
  name: "streams",
  question:
    "How many tokens a second leave the service at 1, 4 and 16 streams, how soon does each begin, and what does the engine give alone for the same prompts and answers?",
  takes: ["model", "format", "backend"],
  compares: false,
  flags: MODEL_FLAGS,
  plot: "bars",
  modelName: nameModel,
  variant: describeVariant,
  async *run(options) {
    const { flags, signal, expect, report } = options
    const model = await prepareEngineModel(options, false)
    expect(3 * STREAMS.length)
    report("starting the service")
    const place = { modelDir: model.sourceDir, cacheDir: dirname(model.preparedDir) }
    const dense = flags.dense === undefined ? [] : ["--dense", flags.dense]
    const service = await startService({ ...options, ...place }, ["--context", String(CAPACITY), ...dense])
    const encode = createQuestionEncoder(model.sourceDir)
    const workOf = (prompt: string, { numTokens }: StreamTiming) => ({ promptIds: encode(prompt), numTokens })
    const ask = (prompt: string): Promise<StreamTiming> =>
      streamChat({ url: service.url, model: "default", prompt, maxTokens: MAX_TOKENS, signal })
    let alone: AloneEngine | undefined
    try {
      alone = openAloneEngine(model, options, { numStreams: Math.max(...STREAMS), capacity: CAPACITY })
      alone.run([workOf("Hello!", await ask("Hello!"))])
      for (const numStreams of STREAMS) {
        const name = `${numStreams} stream${numStreams === 1 ? "" : "s"}`
        const rates: number[] = []
        const aloneRates: number[] = []
        const firsts: number[] = []
        for (let round = 0; round < ROUNDS; round++) {
          report(`${name}, round ${round + 1} of ${ROUNDS}`)
          const started = performance.now()
          // Prompts differ from their beginnings on: what they shared the service would read once.
          const prompts = Array.from(
            { length: numStreams },
            (_, i) => `${numStreams}${round}${i}: I lost my credit card.`,
          )
          const timings = await Promise.all(prompts.map(ask))
          const elapsedMs = performance.now() - started
          const numTokens = timings.reduce((sum, timing) => sum + timing.numTokens, 0)
          rates.push((numTokens / elapsedMs) * 1000)
          firsts.push(...timings.map(({ firstTokenMs }) => firstTokenMs))
          aloneRates.push((numTokens / alone.run(timings.map((timing, i) => workOf(prompts[i]!, timing)))) * 1000)
        }
        const comparedWith = [{ contender: ALONE }]
        yield { name, contender: ALONE, unit: "tok/s", samples: aloneRates }
        yield { name, contender: HTTP, unit: "tok/s", samples: rates, comparedWith }
        yield { name: `${name}, time to first token`, contender: HTTP, unit: "ms", samples: firsts }
      }
    } finally {
      alone?.close()
      await service.stop()
    }
  },
}
