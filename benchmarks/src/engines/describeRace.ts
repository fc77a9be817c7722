import type { Measurement } from "../Suite.ts"
import { describeLoad } from "./describeLoad.ts"
import type { RaceSamples } from "./raceEngines.ts"
import type { MemoryUse } from "./TimedEngine.ts"

/** The machine's own read bandwidth, as it is recorded. */
export interface ReadLimit {
  readonly name: string
  readonly contender: string
}

/** By engine; the first is ours. */
type ByEngine<T> = ReadonlyMap<string, T>

/** Tokens a second of prefill, and milliseconds to the first token: of one stream. */
export function prefillMeasurements(
  race: ByEngine<RaceSamples>,
  promptLength: number,
  rivals: readonly string[],
): Measurement[] {
  return [...race].flatMap(([contender, { prefillMs, firstTokenMs, tokensPerExpert = [] }], i) => {
    const common = { contender, ...comparison(i, rivals) }
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
export function decodeMeasurements(
  race: ByEngine<RaceSamples>,
  numStreams: number,
  rivals: readonly string[],
  limit: ReadLimit,
): Measurement[] {
  const name = `decode, ${describeStreams(numStreams)}`
  return [...race].flatMap(([contender, { stepMs, weightBytes }], i): Measurement[] => [
    {
      name,
      contender,
      unit: "tok/s",
      samples: stepMs.map((ms) => (numStreams / ms) * 1000),
      ...comparison(i, rivals),
    },
    ...(weightBytes.length === 0
      ? []
      : [
          {
            name: `${name}: weights read`,
            contender,
            unit: "GB/s",
            samples: weightBytes.map((bytes, step) => bytes / (stepMs[step]! * 1e6)),
            comparedWith: [limit],
          } as const,
        ]),
  ])
}

/** Resident memory of an engine's process when it has worked for one stream and is idle. */
export function memoryMeasurements(memory: ByEngine<MemoryUse>, rivals: readonly string[]): Measurement[] {
  return [...memory].map(([contender, { residentBytes, weightBytes }], i) => {
    const overhead = ((residentBytes - weightBytes) / weightBytes) * 100
    return {
      name: "memory, resident, idle after one stream",
      contender,
      unit: "MiB",
      samples: [residentBytes / 2 ** 20],
      note: `weights ${Math.round(weightBytes / 2 ** 20)} MiB, ${overhead < 0 ? "" : "+"}${overhead.toFixed(1)} %`,
      ...comparison(i, rivals),
    }
  })
}

export function describeStreams(numStreams: number): string {
  return `${numStreams} stream${numStreams === 1 ? "" : "s"}`
}

/** The first engine is compared with its rivals, whether they ran with it or alone. */
function comparison(place: number, rivals: readonly string[]): Pick<Measurement, "comparedWith"> {
  return place === 0 && rivals.length > 0 ? { comparedWith: rivals.map((contender) => ({ contender })) } : {}
}
