import { findGpuAdapter } from "@consilium/gpu"
import { parseCount } from "./parseCount.ts"
import { runLosses } from "./soak/runLosses.ts"
import { freePort, startService } from "./startService.ts"
import type { Suite } from "./Suite.ts"

const NUM_STREAMS = 8
const NUM_LOSSES = 100

/** A GPU that is lost in mid-stream, again and again: what clients notice, and what stays behind. */
export const losses: Suite = {
  name: "losses",
  question:
    "What do 8 streams notice of a GPU that is lost a hundred times, and how long does each loss keep them waiting?",
  takes: ["format"],
  compares: false,
  flags: [
    { name: "losses", value: "<n>", purpose: `${NUM_LOSSES} unless given` },
    {
      name: "gpu-memory",
      value: "<size>",
      purpose: "as the service takes it: some experts then stay on the processor",
    },
    { name: "seed", value: "<n>", purpose: "other moments of loss" },
  ],
  plot: "bars",
  showsTail: true,
  variant: ({ flags }) => (flags["gpu-memory"] === undefined ? undefined : `gpu-memory-${flags["gpu-memory"]}`),
  findDevice: findGpuAdapter,
  async *run(options) {
    const { signal, expect, report, flags } = options
    const numLosses = parseCount("losses", flags.losses, NUM_LOSSES)
    const seed = parseCount("seed", flags.seed, 1)
    expect(13)
    const adminPort = freePort()
    const memory = flags["gpu-memory"] === undefined ? [] : ["--gpu-memory", flags["gpu-memory"]]
    report("starting the service")
    const further = ["--admin-port", String(adminPort), "--enable-faults", ...memory]
    const service = await startService({ ...options, backend: "gpu" }, further)
    try {
      const result = await runLosses({
        url: service.url,
        adminUrl: `http://127.0.0.1:${adminPort}`,
        numStreams: NUM_STREAMS,
        numLosses,
        seed,
        signal,
        onLoss: (numDone) => report(`loss ${numDone} of ${numLosses}`),
      })
      for (const line of [...result.losses, ...result.leaks]) report(line)
      const { before, lost, back } = result.silencesMs
      const longest = "longest silence of any stream"
      yield { name: `${longest}, before a loss`, unit: "ms", samples: before }
      yield { name: `${longest}, until all go on without the device`, unit: "ms", samples: lost }
      yield { name: `${longest}, from there until all go on with it`, unit: "ms", samples: back }
      yield { name: "from a loss to the device's return", unit: "ms", samples: result.awayMs }
      yield { name: "of it, opening the device, while streams go on", unit: "ms", samples: result.openingMs }
      yield { name: "of it, a probe", unit: "ms", samples: result.probeMs }
      yield { name: "of it, uploads", unit: "ms", samples: result.uploadMs }
      yield { name: "experts on the device when it was lost", unit: "count", samples: result.numExperts }
      const resident = result.residentBytes.map((bytes) => bytes / 2 ** 20)
      yield { name: "the engine's memory after a loss", unit: "MiB", samples: resident }
      yield { name: "losses", unit: "count", samples: [result.numLosses] }
      yield { name: "answers, all compared to the letter", unit: "count", samples: [result.numCompared] }
      yield {
        name: "requests lost, tokens missing, repeated or others",
        unit: "count",
        samples: [result.losses.length],
      }
      yield { name: "bytes leaked, on the device or in the arena", unit: "count", samples: [result.leaks.length] }
    } finally {
      await service.stop()
    }
  },
}
