/** Learns from data that is not in this repository; skipped, saying so, where `../shared` is absent. */
import {
  createCostRouter,
  createLearnedRouter,
  judgeOutcomes,
  judgeRouter,
  outcomesOf,
  readExamples,
  splitExamples,
  stratumOf,
  trainRouter,
} from "@consilium/fleet"
import { expect, test } from "bun:test"
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { measureComplexity } from "../src/route/measureComplexity.ts"

const DATA = join(import.meta.dir, "../../../../shared/data")
const hasData = existsSync(DATA)
if (!hasData) console.log(`skipped: ${DATA} is absent (banking77, model-responses)`)
const testWithData = test.skipIf(!hasData)

const SEED = 7

testWithData(
  "banking77: a linear router, on questions that it has not seen, is right about 91 % of 77 intents",
  () => {
    const { experts, examples } = readExamples([join(DATA, "banking77/train.csv")], "text", { label: "category" })
    const { held, rest } = splitExamples(examples, stratumOf, 0.2, SEED)
    expect([experts.length, held.length, rest.length]).toEqual([77, 1998, 8005])
    const router = createLearnedRouter(trainRouter(rest, { experts, task: "choose", model: "linear", seed: SEED }))
    const { accuracy, calibrationError } = judgeRouter(router, held)
    console.log(
      `banking77, linear: ${(100 * accuracy).toFixed(1)} %, calibration error ${(100 * calibrationError).toFixed(1)} %`,
    )
    expect(accuracy).toBeGreaterThan(0.91)
    expect(calibrationError).toBeLessThan(0.05)
  },
  240_000,
)

testWithData(
  "model-responses: a cost router, on subjects that it has not seen, is surely above chance",
  () => {
    const dir = join(DATA, "model-responses")
    const columns = { cheap: "mistralai/Mixtral-8x7B-Instruct-v0.1", strong: "gpt-4-1106-preview" }
    const subjects = readdirSync(dir)
      .filter((name) => name.startsWith("mmlu"))
      .sort()
      .map((name) => readExamples([join(dir, name)], "prompt", columns))
    const { experts } = subjects[0]!
    const of = (isHeld: boolean) =>
      subjects.filter((_, i) => (i % 3 === 0) === isHeld).flatMap(({ examples }) => examples)
    const router = createCostRouter(
      trainRouter(of(false), { experts, task: "cost-quality", model: "linear", seed: SEED }),
    )
    const examples = of(true)
    const { rows, apgrInterval } = judgeOutcomes(outcomesOf(router, examples), examples, SEED)
    for (const { name, apgr, cpt50, cpt80 } of rows)
      console.log(
        `${name}: APGR ${apgr.toFixed(3)}, CPT50 ${(100 * cpt50).toFixed(1)} %, CPT80 ${(100 * cpt80).toFixed(1)} %`,
      )
    expect(apgrInterval[0]).toBeGreaterThan(0.5)
    // What there is without a trained router, on the same questions: better than chance, and not as good.
    const counted = examples.map(({ request, targets }) => ({
      gain: measureComplexity(request.text, [], 0.2).value,
      cheapRight: targets[0]!,
      strongRight: targets[1]!,
    }))
    const plain = judgeOutcomes(counted, examples, SEED)
    console.log(
      `counted complexity: APGR ${plain.rows[0]!.apgr.toFixed(3)} (${plain.apgrInterval.map((bound) => bound.toFixed(3)).join(" to ")})`,
    )
    expect(plain.apgrInterval[0]).toBeGreaterThan(0.5)
    expect(plain.rows[0]!.apgr).toBeLessThan(rows[0]!.apgr)
  },
  240_000,
)
