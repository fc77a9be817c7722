import { startService, timeStream } from "./http.ts"
import type { Suite } from "./Suite.ts"

const STREAMS = [1, 4, 16]
const ROUNDS = 5
const MAX_TOKENS = 48

/** Tokens a second through the whole service, text and HTTP included. */
export const streams: Suite = {
  name: "streams",
  question: "How many tokens a second leave the service at 1, 4 and 16 streams, and how soon does each begin?",
  takes: ["model", "format", "backend"],
  compares: false,
  flags: [],
  plot: "bars",
  async *run({ root, modelDir, cacheDir, format, backend, report }) {
    const args = ["--model", modelDir, "--cache-dir", cacheDir, "--format", format, "--backend", backend]
    const service = await startService(root, { args })
    try {
      await timeStream(service.url, "Hello!", 8)
      for (const numStreams of STREAMS) {
        const rates: number[] = []
        const firsts: number[] = []
        for (let round = 0; round < ROUNDS; round++) {
          report(`${numStreams} streams, round ${round + 1} of ${ROUNDS}`)
          const started = performance.now()
          const timings = await Promise.all(
            Array.from({ length: numStreams }, (_, i) =>
              timeStream(service.url, `I lost my credit card number ${round}${i}, what should I do?`, MAX_TOKENS),
            ),
          )
          const elapsedMs = performance.now() - started
          rates.push((timings.reduce((sum, { numTokens }) => sum + numTokens, 0) / elapsedMs) * 1000)
          firsts.push(...timings.map(({ firstTokenMs }) => firstTokenMs))
        }
        yield { name: `${numStreams} streams: together`, unit: "tok/s", samples: rates }
        yield { name: `${numStreams} streams: time to first token`, unit: "ms", samples: firsts }
      }
    } finally {
      await service.stop()
    }
  },
}
