import { parseCount } from "./parseCount.ts"
import { freePort, startService } from "./startService.ts"
import { runSoak, SOAK_KINDS } from "./soak/runSoak.ts"
import type { Suite } from "./Suite.ts"

const NUM_STREAMS = 8
const NUM_FAULTS = 1000
/** Longer than any step of the embedded model, so that what hangs is noticed soon. */
const STEP_DEADLINE = "400ms"

/** Faults of every kind, in random order, under streams: what clients notice, and how long each fault keeps them waiting. */
export const soak: Suite = {
  name: "soak",
  question: "What do 8 streams notice of a thousand faults of every kind, and how long does each keep them waiting?",
  takes: ["format", "backend"],
  compares: false,
  flags: [
    { name: "faults", value: "<n>", purpose: `faults of each kind; ${NUM_FAULTS} unless given` },
    { name: "seed", value: "<n>", purpose: "another order of faults" },
  ],
  plot: "bars",
  showsTail: true,
  async *run(options) {
    const { signal, expect, report, flags } = options
    const numFaults = parseCount("faults", flags.faults, NUM_FAULTS)
    const seed = parseCount("seed", flags.seed, 1)
    expect(SOAK_KINDS.length + 5)
    const adminPort = freePort()
    const further = ["--admin-port", String(adminPort), "--enable-faults", "--step-deadline", STEP_DEADLINE]
    report("starting the service")
    const service = await startService(options, further)
    try {
      const result = await runSoak({
        url: service.url,
        adminUrl: `http://127.0.0.1:${adminPort}`,
        numStreams: NUM_STREAMS,
        numFaults,
        seed,
        signal,
        onFault: (numDone, total) => {
          if (numDone % 10 === 0) report(`fault ${numDone} of ${total}`)
        },
      })
      for (const line of [...result.losses, ...result.leaks]) report(line)
      for (const kind of SOAK_KINDS) {
        const samples = result.pausesMs[kind]
        if (samples.length === 0) continue
        yield {
          name: `longest silence of any stream, ${kind}`,
          unit: "ms",
          samples,
          note: `${result.numFaults[kind]} faults`,
        }
      }
      yield { name: "a spoilt slab stays in memory", unit: "ms", samples: result.spoiltMs }
      yield { name: "answers", unit: "count", samples: [result.numAnswers] }
      yield { name: "of them compared to the letter, and the same", unit: "count", samples: [result.numCompared] }
      yield { name: "requests lost, tokens missing or repeated", unit: "count", samples: [result.losses.length] }
      yield { name: "experts or bytes leaked", unit: "count", samples: [result.leaks.length] }
    } finally {
      await service.stop()
    }
  },
}
