import { measureOverhead } from "./fleet/measureOverhead.ts"
import { openSoakFleet } from "./fleet/openSoakFleet.ts"
import { runFleetSoak } from "./fleet/runFleetSoak.ts"
import { parseCount } from "./parseCount.ts"
import type { Suite } from "./Suite.ts"

const NUM_REQUESTS = 10_000
const NUM_CLIENTS = 8
const NUM_TIMED = 1000

/** Expert models instead of experts of a model: what failures of any kind do to clients, and what the fleet costs when all is well. */
export const fleet: Suite = {
  name: "fleet",
  question:
    "What do clients notice when experts of a fleet fail in every way, and what does a request through the fleet cost?",
  takes: ["format", "backend"],
  compares: false,
  flags: [
    { name: "requests", value: "<n>", purpose: `requests under failures; ${NUM_REQUESTS} unless given` },
    { name: "seed", value: "<n>", purpose: "other requests and other failures" },
  ],
  plot: "bars",
  showsTail: true,
  async *run(options) {
    const { signal, expect, report, flags } = options
    const numRequests = parseCount("requests", flags.requests, NUM_REQUESTS)
    const seed = parseCount("seed", flags.seed, 1)
    expect(10)
    report("timing requests, directly and through the fleet")
    const { directMs, fleetMs } = await measureOverhead(options, NUM_TIMED)
    const name = "a request that is answered at once"
    yield { name, contender: "the expert, directly", unit: "ms", samples: directMs }
    yield {
      name,
      contender: "through the fleet",
      unit: "ms",
      samples: fleetMs,
      comparedWith: [{ contender: "the expert, directly" }],
    }
    const added = fleetMs.map((ms, i) => ms - directMs[i]!)
    yield { name: "what the fleet adds to it", unit: "ms", samples: added }

    report("starting the fleet")
    const soaked = await openSoakFleet(options, seed)
    try {
      const onReply = (numDone: number): void => {
        if (numDone % 100 === 0) report(`request ${numDone} of ${numRequests}`)
      }
      const result = await runFleetSoak({ ...soaked, numRequests, numClients: NUM_CLIENTS, seed, signal, onReply })
      for (const line of result.wrongs) report(line)
      const numErrors = Object.values(result.numErrors).reduce((sum, count) => sum + count, 0)
      const kinds = Object.entries(result.numErrors).map(([code, count]) => `${count} ${code}`)
      yield { name: "a request under failures", unit: "ms", samples: result.ms }
      yield { name: "answers", unit: "count", samples: [result.numAnswers] }
      yield { name: "of them by others than the first who was asked", unit: "count", samples: [result.numFailedOver] }
      yield { name: "clear errors", unit: "count", samples: [numErrors], note: kinds.join(", ") }
      yield { name: "clients that left", unit: "count", samples: [result.numLeft] }
      yield { name: "engines killed", unit: "count", samples: [result.numKills] }
      yield {
        name: "answered twice, late, or without a clear end; breakers that were not as set",
        unit: "count",
        samples: [result.wrongs.length],
      }
    } finally {
      await soaked.close()
    }
  },
}
