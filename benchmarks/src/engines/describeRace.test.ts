import { expect, test } from "bun:test"
import { decodeMeasurements, memoryMeasurements, prefillMeasurements } from "./describeRace.ts"
import type { RaceSamples } from "./raceEngines.ts"

function samplesOf(own: Partial<RaceSamples>): RaceSamples {
  return { prefillMs: [], firstTokenMs: [], stepMs: [], weightBytes: [], tokensPerExpert: undefined, ...own }
}

const LIMIT = { name: "this machine", contender: "read, 2 threads" }

test("prefillMeasurements: tokens a second and milliseconds, ours compared with every rival, and how tokens spread", () => {
  const race = new Map([
    [
      "x64 int8",
      samplesOf({
        prefillMs: [500],
        firstTokenMs: [520],
        tokensPerExpert: [
          [3, 1],
          [4, 0],
          [2, 2],
        ],
      }),
    ],
    ["peer", samplesOf({ prefillMs: [4000], firstTokenMs: [4050] })],
  ])
  const [rate, first, peerRate] = prefillMeasurements(race, 512, ["peer", "another"])
  expect(rate).toEqual({
    name: "prefill 512",
    contender: "x64 int8",
    unit: "tok/s",
    samples: [1024],
    comparedWith: [{ contender: "peer" }, { contender: "another" }],
    note: "busiest expert 1.5× the mean, 2 of 2 used, in the median layer",
  })
  expect(first).toMatchObject({ unit: "ms", samples: [520] })
  expect(peerRate).toEqual({ name: "prefill 512", contender: "peer", unit: "tok/s", samples: [128] })
})

test("decodeMeasurements: tokens of all streams, and bytes beside the machine's limit where the engine tells", () => {
  const race = new Map([["x64 int4", samplesOf({ stepMs: [20, 25], weightBytes: [5e8, 5e8] })]])
  expect(decodeMeasurements(race, 4, [], LIMIT)).toEqual([
    { name: "decode, 4 streams", contender: "x64 int4", unit: "tok/s", samples: [200, 160] },
    {
      name: "decode, 4 streams: weights read",
      contender: "x64 int4",
      unit: "GB/s",
      samples: [25, 20],
      comparedWith: [LIMIT],
    },
  ])
})

test("memoryMeasurements: what is resident beyond the weights, in per cent", () => {
  const memory = new Map([["x64 int4", { residentBytes: 1100 * 2 ** 20, weightBytes: 1000 * 2 ** 20 }]])
  expect(memoryMeasurements(memory, [])).toEqual([
    {
      name: "memory, resident, idle after one stream",
      contender: "x64 int4",
      unit: "MiB",
      samples: [1100],
      note: "weights 1000 MiB, +10.0 %",
    },
  ])
})
