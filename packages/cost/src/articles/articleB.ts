import { costPerMillionTokens, joulesPerToken } from "../model/Hardware.ts"
import { estimateServing } from "../model/estimateServing.ts"
import { paybackMonths } from "../model/estimateTraining.ts"
import { fitTokenTime } from "../model/fitTokenTime.ts"
import {
  activeParameters,
  denseOfSameSize,
  type ModelShape,
  residentBytes,
  totalParameters,
} from "../model/ModelShape.ts"
import { type ArticleFigure, saving, YUAN_PER_USD } from "./ArticleFigure.ts"

const HOURS_PER_MONTH = 720
const SECONDS_PER_DAY = 86_400
const GB = 1e9

/** Article B's model: 100 B weights in f32, 20 experts of which 2 are used. It says nothing of a shared part, so there is none; its layers are one here. */
const ARTICLE_B_SHAPE: ModelShape = {
  numSharedParameters: 0,
  numLookupParameters: 0,
  numExpertParameters: 5e9,
  numMoeLayers: 1,
  numExperts: 20,
  topK: 2,
  sharedBytesPerWeight: 4,
  expertBytesPerWeight: 4,
}
const DENSE_B = denseOfSameSize(ARTICLE_B_SHAPE)

/** A token of article B where 4 of 20 experts are resident, so that a uniform router finds one in five; the rest come over 25 GB/s. */
const pagedB = estimateServing(
  ARTICLE_B_SHAPE,
  {
    usdPerHour: 0,
    powerWatts: 20,
    pue: 1,
    usdPerKWh: 0,
    // What its 50 tok/s need for two experts of 20 GB.
    memoryBytesPerSec: (2 * 20 * GB) / 0.02,
    flopsPerSec: Number.POSITIVE_INFINITY,
    diskBytesPerSec: 25 * GB,
  },
  { numRows: 1, hitRate: 4 / 20, fixedMs: 0, utilisation: 1 },
)

/** Article B's two speeds as a fixed part and one per billion weights used. */
export const ARTICLE_B_TOKEN_TIME = fitTokenTime([
  { size: activeParameters(DENSE_B) / 1e9, ms: 1000 / 10 },
  { size: activeParameters(ARTICLE_B_SHAPE) / 1e9, ms: 1000 / 50 },
])

const denseYuan = costPerMillionTokens(10_000 / HOURS_PER_MONTH, 10, 1)
const moeYuan = costPerMillionTokens(2000 / HOURS_PER_MONTH, 50, 1)
const streamsOfADay = 1e9 / SECONDS_PER_DAY / 10

export const ARTICLE_B: readonly ArticleFigure[] = [
  {
    article: "B",
    claim: "$240,000 a month saved, which is 80 %; 30 B tokens a month",
    unit: "% less",
    stated: 80,
    recomputed: saving(300_000 / 30e3, 60_000 / 30e3),
    arithmetic: "$300,000 / 30,000 M = $10, $60,000 / 30,000 M = $2 per 1 M tokens",
    note: "",
    ours: "usd-per-million",
  },
  {
    article: "B",
    claim: "10 B of 100 B parameters are active",
    unit: "% less",
    stated: 90,
    recomputed: saving(totalParameters(ARTICLE_B_SHAPE) / 1e9, activeParameters(ARTICLE_B_SHAPE) / 1e9),
    arithmetic: "1 − 10 / 100",
    note: "2 of 20 experts of 5 B each.",
  },
  {
    article: "B",
    claim: "so the cost falls by 80 %",
    unit: "% less",
    stated: 80,
    recomputed: saving(activeParameters(DENSE_B), activeParameters(ARTICLE_B_SHAPE)),
    arithmetic: "1 − 10 / 100",
    note: `Active parameters alone give 90 %. Both hold only with a part that does not shrink: ${ARTICLE_B_TOKEN_TIME.fixedMs.toFixed(1)} ms + ${ARTICLE_B_TOKEN_TIME.msPerUnit.toFixed(3)} ms per B active.`,
    ours: "decode-saving",
  },
  {
    article: "B",
    claim: "10 → 50 tok/s is an increase of 400 %",
    unit: "% more",
    stated: 400,
    recomputed: (50 / 10 - 1) * 100,
    arithmetic: "50 / 10 − 1",
    note: "Five times as fast.",
    ours: "decode-saving",
  },
  {
    article: "B",
    claim: "the dense model takes 400 GB",
    unit: "GB",
    stated: 400,
    recomputed: residentBytes(DENSE_B) / GB,
    arithmetic: "100 B · 4 bytes",
    note: "That is f32; bf16 takes 200 GB, 4.5 bits 56 GB.",
  },
  {
    article: "B",
    claim: "the MoE takes 80 GB",
    unit: "GB",
    stated: 80,
    recomputed: residentBytes(ARTICLE_B_SHAPE) / GB,
    arithmetic: "20 · 5 B · 4 bytes",
    note: `It has the same 100 B weights. 80 GB hold 4 of 20 experts (${(residentBytes(ARTICLE_B_SHAPE, 4) / GB).toFixed(0)} GB): that is paging, and then the next row counts.`,
    ours: "resident-memory",
  },
  {
    article: "B",
    claim: "50 tok/s with 80 GB",
    unit: "tok/s",
    stated: 50,
    recomputed: pagedB.tokensPerSec,
    arithmetic: "20 ms + (1 − 0.2) · 2 · 20 GB / 25 GB/s",
    note: "Four of 20 resident and a uniform router: a hit rate of 0.2. One expert of 20 GB takes 0.8 s over PCIe. What is awake must be what is wanted.",
    ours: "hit-rate",
  },
  {
    article: "B",
    claim: "energy falls by 80 % (100 → 20 W)",
    unit: "% less",
    stated: 80,
    recomputed: saving(joulesPerToken(100, 10), joulesPerToken(20, 50)),
    arithmetic: "1 − (20 W / 50 tok/s) / (100 W / 10 tok/s) = 1 − 0.4 J / 10 J",
    note: "A fifth of the power at five times the speed is a twenty-fifth of the energy.",
    ours: "energy",
  },
  {
    article: "B",
    claim: "100 W serve a model of 100 B weights",
    unit: "W",
    stated: 100,
    recomputed: undefined,
    arithmetic: "",
    note: "400 GB of weights are not served by 100 W; no machine is named.",
  },
  {
    article: "B",
    claim: "¥10,000 a month for 10 tok/s, and 80 % less with MoE",
    unit: "% less per token",
    stated: 80,
    recomputed: saving(denseYuan, moeYuan),
    arithmetic: `¥10,000 / 25.9 M = ¥${denseYuan.toFixed(0)}, ¥2,000 / 129.6 M = ¥${moeYuan.toFixed(1)} per 1 M tokens`,
    note: "80 % less a month at five times the tokens is 25 times cheaper a token.",
  },
  {
    article: "B",
    claim: "1 B tokens a day cost $300,000 a month (dense)",
    unit: "¥ a month",
    stated: 300_000 * YUAN_PER_USD,
    recomputed: streamsOfADay * 10_000,
    arithmetic: "10⁹ / 86,400 / 10 = 1,157 streams of ¥10,000",
    note: "The ¥ table is of one stream, unbatched: it cannot be the fleet of the $ example.",
  },
  {
    article: "B",
    claim: "¥8,000 saved a month, paid back in 3 months",
    unit: "months",
    stated: 3,
    recomputed: undefined,
    arithmetic: `what it cost / ¥8,000; ¥24,000 would give ${paybackMonths(24_000, 8000).toFixed(0)}`,
    note: "Likewise ¥40,000 in 2 and ¥160,000 in 1: what the change costs (¥24,000, ¥80,000, ¥160,000) is implied, never stated.",
  },
  {
    article: "B",
    claim: "two experts of K cost 2/K",
    unit: "% of dense",
    stated: undefined,
    recomputed: (activeParameters(ARTICLE_B_SHAPE) / activeParameters(DENSE_B)) * 100,
    arithmetic: "k / N = 2 / 20",
    note: "Its table of 1/K, 2/K, 4/K must read k/N: of the experts there are, not of those chosen.",
  },
  {
    article: "B",
    claim: "capacity for several tasks grows by ∞ %",
    unit: "%",
    stated: Number.POSITIVE_INFINITY,
    recomputed: undefined,
    arithmetic: "",
    note: "Not a number.",
  },
]
