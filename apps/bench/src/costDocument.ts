/** docs/cost.md: two articles' figures recomputed, and ours beside them, from records, so that nobody copies a number by hand. */
import {
  ARTICLE_FIGURES,
  type ArticleFigure,
  costPerMillionTokens,
  denseOfSameSize,
  estimateTraining,
  expertsTouched,
  fitTokenTime,
  judgeFigure,
  type ModelShape,
  type OurFigure,
  totalParameters,
  weightBytesPerStep,
} from "@consilium/cost"
import { type Measurement, readable, SHAPES, summarise } from "@consilium/benchmarks"
import type { BenchRecord } from "./BenchRecord.ts"
import { alignedTable } from "./markdownTable.ts"

/** What two cores are let for; nobody measures it, so a reader puts in their own. */
const USD_PER_HOUR = 0.1
const STREAMS = [1, 4, 16]
/** Shapes whose steps were measured with all weights in 4 bits. */
const MEASURED_SHAPES = ["qwen3-30b-a3b", "olmoe-1b-7b"]
/** An accelerator as they are let: nobody measures it either. */
const TRAINING_MACHINE = {
  usdPerHour: 2,
  powerWatts: 700,
  pue: 1.2,
  usdPerKWh: 0.15,
  memoryBytesPerSec: 3e12,
  flopsPerSec: 1e15,
  diskBytesPerSec: 5e9,
}
const TRAINING = { numTokens: 1e9, mfu: 0.4 }
const SIGNS = { holds: "✓", fails: "✗", "not comparable": "not comparable" } as const

/** Reads a record of a machine by its name; undefined where it was not measured. */
type FindRecord = (name: string) => BenchRecord | undefined

/** Returns docs/cost.md. `bun run bench readme` writes it; a test keeps it current. */
export function costDocument(find: FindRecord, machine: string): string {
  const { powerWatts, usdPerHour, usdPerKWh, pue } = TRAINING_MACHINE
  const measured = MEASURED_SHAPES.flatMap((name) => {
    const record = find(`engine-${name}-dense-int4-int4`)
    return record === undefined ? [] : [{ name, record }]
  })
  return [
    "# What a token costs",
    "",
    "Written by `bun run bench readme`; the formulas are those of [packages/cost](../packages/cost). What a service of yours spends and saves: [operations.md](operations.md#costs).",
    "",
    "## Two articles, recomputed",
    "",
    "A is on Apache Doris, B on HOS; both promise what a Mixture of Experts saves. ✓: the figure follows from the article's own inputs (within 1 %). ✗: it does not. What we have of them is",
    "a summary of their tables.",
    "",
    alignedTable([
      ["", "the article says", "stated", "its inputs give", "", "how", "note", "ours"],
      ...ARTICLE_FIGURES.map((figure) => articleRow(figure, find)),
    ]),
    "",
    "## Ours, against the model",
    "",
    `Figures of \`${machine}\`. A step reads what every token uses once, and each expert that any of its rows chooses once: N·(1 − (1 − k/N)^B) of them in each layer, if routers had no favourites.`,
    "The bound is the memory's bandwidth, measured in the same run, over those bytes. A million tokens are reckoned at full use and",
    `$${USD_PER_HOUR} an hour for two cores, electricity included: an assumption, in proportion to which the column changes.`,
    "",
    alignedTable([
      [
        "shape, 4 bits",
        "streams",
        "experts of a layer",
        "GB a step",
        "bound",
        "measured (p10–p90)",
        "of the bound",
        "$ per 1 M",
      ],
      ...measured.flatMap(({ name, record }) => STREAMS.map((numRows) => stepRow(name, record, numRows))),
    ]),
    "",
    "Real routers have favourites, so that steps of many rows read less than the formula says, and each step takes time beside reading. Both are in a line through the three measured steps; a fixed part below 0 says that they do not lie on one:",
    "",
    alignedTable([
      ["shape, 4 bits", "fixed", "for each GB", "which is"],
      ...measured.map(({ name, record }) => fitRow(name, record)),
    ]),
    "",
    "## Ours, dense against experts",
    "",
    "A layer of 32 experts, 4 a token, against the dense network of all of them, in one run. With one row the saving is nearly N/k = 8; sixteen rows choose nearly all experts between them, and what",
    "is left to save is arithmetic. No machine of ours has an energy counter: at equal power a token's energy goes as its time, which is an estimate.",
    "",
    alignedTable([["", "experts", "dense of all", "times"], ...sparseRows(find("sparse"))]),
    "",
    "## Training, by the same model",
    "",
    "The articles' summary has no figure of training; this is what one would be held against: 6·P_act·tokens operations. A billion tokens, on a machine of 10¹⁵ operations a second of which",
    `training reaches ${TRAINING.mfu * 100} %, at ${powerWatts} W, $${usdPerHour} an hour and $${usdPerKWh} a kWh (PUE ${pue}): assumptions, and none of our measurements.`,
    "",
    alignedTable([
      ["shape", "10¹⁸ operations", "hours", "kWh", "$", "$, dense of the same size"],
      ...measured.map(({ name, record }) => trainingRow(name, record)),
    ]),
    "",
  ].join("\n")
}

function articleRow(figure: ArticleFigure, find: FindRecord): string[] {
  const { article, claim, unit, stated, recomputed, arithmetic, note, ours } = figure
  return [
    article,
    claim,
    stated === undefined ? "–" : withUnit(statedText(stated), unit),
    recomputed === undefined ? "–" : withUnit(readable(recomputed), unit),
    SIGNS[judgeFigure(figure)],
    arithmetic === "" ? "–" : arithmetic,
    note,
    ours === undefined ? "" : (OURS[ours](find) ?? "not measured here"),
  ]
}

const withUnit = (value: string, unit: string): string => `${value} ${unit}`

function statedText(stated: number | readonly [number, number]): string {
  if (typeof stated === "number") return readable(stated)
  const [low, high] = stated
  return high === Number.POSITIVE_INFINITY ? `over ${readable(low)}` : `${low}–${high}`
}

const ENGINE = "engine-qwen3-30b-a3b-dense-int4-int4"
const SPARSE = "x64 int8"
const PAGING = "paging-consilium-mini-int8"

/** What of ours is held against an article's figure; undefined where it was not measured. */
const OURS: Readonly<Record<OurFigure, (find: FindRecord) => string | undefined>> = {
  "decode-saving": (find) =>
    savingOf(find, (times) => `${readable((1 - 1 / times) * 100)} % less time for one row, experts 4 of 32`),
  energy: (find) =>
    savingOf(find, (times) => `no counter here; ${readable((1 - 1 / times) * 100)} % less at equal power, an estimate`),
  concurrency: (find) => {
    const [one, many] = [1, 16].map((n) => medianOf(find(ENGINE), nameOf(n)))
    return one === undefined || many === undefined
      ? undefined
      : `16 streams give ${readable(many / one)}× the tokens of one`
  },
  "resident-memory": (find) => {
    const name = "memory, resident, idle after one stream"
    const resident = medianOf(find(ENGINE), name)
    return resident === undefined
      ? undefined
      : `${readable(resident)} MiB with all experts awake, ${measurementOf(find(ENGINE), name)!.note}`
  },
  "hit-rate": (find) => {
    const name = "consilium-mini, 2 of 8"
    const rate = find(PAGING)?.measurements.find((m) => m.name === name && m.contender === "next-use" && m.at === 20)
    return rate && `${readable(summarise(rate.samples).median)} % hit with 20 % awake, embedded model, recorded routing`
  },
  "usd-per-million": (find) => {
    const rate = medianOf(find(ENGINE), nameOf(16))
    return rate === undefined
      ? undefined
      : `$${readable(costPerMillionTokens(USD_PER_HOUR, rate, 1))} for a smaller model, see below`
  },
}

/** The measurement of ours: peers follow it. */
function measurementOf(record: BenchRecord | undefined, name: string): Measurement | undefined {
  return record?.measurements.find((measurement) => measurement.name === name)
}

function medianOf(record: BenchRecord | undefined, name: string): number | undefined {
  const measurement = measurementOf(record, name)
  return measurement && summarise(measurement.samples).median
}

function savingOf(find: FindRecord, say: (times: number) => string): string | undefined {
  const [experts, dense] = ["experts", "dense of all"].map((network) =>
    find("sparse")?.measurements.find((m) => m.name === "decode, 1 row" && m.contender === `${SPARSE}, ${network}`),
  )
  if (experts === undefined || dense === undefined) return undefined
  return say(summarise(dense.samples).median / summarise(experts.samples).median)
}

function stepRow(name: string, record: BenchRecord, numRows: number): string[] {
  const shape = shapeOf(name, record)
  const { samples } = measurementOf(record, nameOf(numRows))!
  const { median, p10, p90 } = summarise(samples)
  const bandwidth = medianOf(record, "this machine")! * 1e9
  const bytes = weightBytesPerStep(shape, numRows)
  const bound = (numRows * bandwidth) / bytes
  return [
    `${name}, ${shape.numMoeLayers} layers`,
    String(numRows),
    `${readable(expertsTouched(shape, numRows))} of ${shape.numExperts}`,
    readable(bytes / 1e9),
    `${readable(bound)} tok/s`,
    `${readable(median)} tok/s (${readable(p10)}–${readable(p90)})`,
    `${readable((median / bound) * 100)} %`,
    `${readable(costPerMillionTokens(USD_PER_HOUR, median, 1))} (${readable(costPerMillionTokens(USD_PER_HOUR, p90, 1))}–${readable(costPerMillionTokens(USD_PER_HOUR, p10, 1))})`,
  ]
}

/** A step's time as a fixed part and one for each GB that the formula has it read. */
function fitRow(name: string, record: BenchRecord): string[] {
  const shape = shapeOf(name, record)
  const points = STREAMS.map((numRows) => ({
    size: weightBytesPerStep(shape, numRows) / 1e9,
    ms: (numRows / medianOf(record, nameOf(numRows))!) * 1000,
  }))
  const { fixedMs, msPerUnit } = fitTokenTime(points)
  return [name, `${readable(fixedMs)} ms`, `${readable(msPerUnit)} ms`, `${readable(1000 / msPerUnit)} GB/s`]
}

function trainingRow(name: string, record: BenchRecord): string[] {
  const shape = shapeOf(name, record)
  const { flops, hours, kWh, usd } = estimateTraining(shape, TRAINING_MACHINE, TRAINING)
  const dense = estimateTraining(denseOfSameSize(shape), TRAINING_MACHINE, TRAINING)
  return [
    `${name}, ${shape.numMoeLayers} layers`,
    ...[flops / 1e18, hours, kWh, usd, dense.usd].map((value) => readable(value)),
  ]
}

const nameOf = (numStreams: number): string => `decode, ${numStreams} stream${numStreams === 1 ? "" : "s"}`

/** A generated shape; what a weight takes is what all took together. */
function shapeOf(name: string, record: BenchRecord): ModelShape {
  const config = SHAPES[name]!
  const field = (key: string, otherwise?: number): number => Number(config[key] ?? otherwise)
  const hiddenSize = field("hidden_size")
  const numHeads = field("num_attention_heads")
  const headDim = field("head_dim", hiddenSize / numHeads)
  const numMoeLayers = field("num_hidden_layers")
  const numExperts = field("num_experts")
  const vocabulary = field("vocab_size") * hiddenSize
  const attention = 2 * (numHeads + field("num_key_value_heads")) * headDim * hiddenSize
  const shape = {
    numSharedParameters: vocabulary + numMoeLayers * (attention + numExperts * hiddenSize),
    numLookupParameters: vocabulary,
    numExpertParameters: 3 * hiddenSize * field("moe_intermediate_size", field("intermediate_size")),
    numMoeLayers,
    numExperts,
    topK: field("num_experts_per_tok"),
    sharedBytesPerWeight: 0,
    expertBytesPerWeight: 0,
  }
  const [, weightsMiB] = /weights (\d+) MiB/.exec(
    measurementOf(record, "memory, resident, idle after one stream")?.note ?? "",
  )!
  const bytesPerWeight = (Number(weightsMiB) * 2 ** 20) / totalParameters(shape)
  return { ...shape, sharedBytesPerWeight: bytesPerWeight, expertBytesPerWeight: bytesPerWeight }
}

function sparseRows(record: BenchRecord | undefined): string[][] {
  if (record === undefined) return []
  const dense = record.measurements.filter(({ contender = "" }) => /^x64 .*, dense of all$/.test(contender))
  return dense.flatMap(({ name, contender = "", samples }) => {
    const who = contender.replace(/, dense of all$/, "")
    const experts = record.measurements.find((m) => m.name === name && m.contender === `${who}, experts`)
    if (experts === undefined) return []
    const [ofAll, ofExperts] = [summarise(samples), summarise(experts.samples)]
    const spread = ({ median, p10, p90 }: typeof ofAll): string =>
      `${readable(median)} ms (${readable(p10)}–${readable(p90)})`
    return [[`${name}, ${who}`, spread(ofExperts), spread(ofAll), `${readable(ofAll.median / ofExperts.median)}×`]]
  })
}
