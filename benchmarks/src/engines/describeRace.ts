import type { Measurement } from "../Suite.ts"
import { describeLoad } from "./describeLoad.ts"
import type { RaceSamples } from "./raceEngines.ts"
import type { MemoryUse } from "./TimedEngine.ts"

/** The machine's own read bandwidth, as it is recorded. */
export interface ReadLimit {
  readonly name: string
  readonly contender: string
}

/** Samples by engine; the first is ours and is compared with the others. */
type Race = ReadonlyMap<string, RaceSamples>

/** Tokens a second of prefill, and milliseconds to the first token: of one stream. */
export function prefillMeasurements(race: Race, promptLength: number): Measurement[] {
  return [...race].flatMap(([contender, { prefillMs, firstTokenMs, tokensPerExpert = [] }]) => {
    const common = { contender, ...comparison(race, contender) }
    const note = describeLoad(tokensPerExpert)
    return [
      {
        ...common,
        name: `prefill ${promptLength}`,
        unit: "tok/s",
        samples: prefillMs.map((ms) => (promptLength / ms) * 1000),
        ...(note !== undefined && { note }),
      },
      { ...common, name: `first token: prefill ${promptLength} and one step`, unit: "ms", samples: firstTokenMs },
    ]
  })
}

/** Tokens a second of all streams together and, where an engine tells what it reads, GB of weights a second. */
export function decodeMeasurements(race: Race, numStreams: number, limit: ReadLimit): Measurement[] {
  const name = `decode, ${describeStreams(numStreams)}`
  return [...race].flatMap(([contender, { stepMs, weightBytes }]): Measurement[] => [
    {
      name,
      contender,
      unit: "tok/s",
      samples: stepMs.map((ms) => (numStreams / ms) * 1000),
      ...comparison(race, contender),
    },
    ...(weightBytes.length === 0
      ? []
      : [
          {
            name: `${name}: weights read`,
            contender,
            unit: "GB/s",
            samples: weightBytes.map((bytes, i) => bytes / (stepMs[i]! * 1e6)),
            comparedWith: [limit],
          } as const,
        ]),
  ])
}

/** Resident memory of an engine's process when it has worked for one stream and is idle. */
export function memoryMeasurements(memory: ReadonlyMap<string, MemoryUse>): Measurement[] {
  return [...memory].map(([contender, { residentBytes, weightBytes }]) => {
    const overhead = ((residentBytes - weightBytes) / weightBytes) * 100
    return {
      name: "memory, resident, idle after one stream",
      contender,
      unit: "MiB",
      samples: [residentBytes / 2 ** 20],
      note: `weights ${Math.round(weightBytes / 2 ** 20)} MiB, ${overhead < 0 ? "" : "+"}${overhead.toFixed(1)} %`,
      ...comparison(memory, contender),
    }
  })
}

export function describeStreams(numStreams: number): string {
  return `${numStreams} stream${numStreams === 1 ? "" : "s"}`
}

/** What the first of several is compared with. */
function comparison(all: ReadonlyMap<string, unknown>, contender: string): Pick<Measurement, "comparedWith"> {
  const [first, ...others] = all.keys()
  return contender === first && others.length > 0 ? { comparedWith: others.map((other) => ({ contender: other })) } : {}
}
