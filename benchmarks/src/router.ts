import {
  createCostRouter,
  createLearnedRouter,
  decodeRouter,
  embedExamples,
  encodeRouter,
  type ExampleSet,
  judgeOutcomes,
  judgeRouter,
  type LearnedRouter,
  openEmbedder,
  outcomesOf,
  readExamples,
  type RouterExample,
  splitExamples,
  stratumOf,
  type RouterTraining,
  trainRouter,
} from "@consilium/fleet"
import { ensurePrepared } from "@consilium/model"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { basename, join } from "node:path"
import type { Measurement, Suite, SuiteOptions } from "./Suite.ts"

const SEED = 7
const HELD_OUT = 0.2
const NUM_FOLDS = 5
const MODELS = ["linear", "mlp"] as const
/** Of the embedded model as an embedder: what `[fleet.embedder]` takes unless it says otherwise. */
const EMBEDDING_FORMAT = "int8"
/** Decisions whose text is embedded for them. */
const NUM_EMBEDDED = 200
const PAIR = { cheap: "mistralai/Mixtral-8x7B-Instruct-v0.1", strong: "gpt-4-1106-preview" }
/** What is measured where there is no data. */
const SYNTHETIC = { numExperts: 20, numExamples: 2000 }

/** How often routers of requests choose right, and how long they take to. */
export const router: Suite = {
  name: "router",
  question:
    "How often does a learned router choose the right one of 77 intents and of 8 desks on requests that it has not seen, how long does it take, and how much of a strong model's advantage does a cost router keep for how few calls?",
  takes: [],
  compares: false,
  flags: [
    {
      name: "data",
      value: "<folder>",
      purpose: "with banking77/train.csv, desks.json and model-responses/*.csv; ../shared/data unless given",
    },
  ],
  plot: "bars",
  async *run(options) {
    const data = options.flags.data ?? join(options.root, "../shared/data")
    yield* measureSynthetic(options)
    const lacks = (folder: string, ...files: readonly string[]): boolean => {
      const missing = files.find((file) => !existsSync(join(data, folder, file)))
      if (missing !== undefined) options.report(`skipped: no ${join(folder, missing)} in ${data}`)
      return missing !== undefined
    }
    if (!lacks("banking77", "train.csv", "desks.json")) {
      yield* measureIntents(join(data, "banking77"), options)
      yield* measureEmbeddings(join(data, "banking77"), options)
    }
    if (!lacks("model-responses", "gsm8k.csv")) yield* measureCost(join(data, "model-responses"), options)
  },
}

/** A decision's time alone, on sentences of seeded words: what can be measured anywhere. */
async function* measureSynthetic(options: SuiteOptions): AsyncIterable<Measurement> {
  const { numExperts, numExamples } = SYNTHETIC
  const experts = Array.from({ length: numExperts }, (_, e) => `expert-${e}`)
  const examples = Array.from({ length: numExamples }, (_, i): RouterExample => {
    const e = i % numExperts
    const text = `request ${i} concerns matter${e} and subject${(e * 7 + i) % 50} of the customer`
    return {
      request: { text, numImages: 0, hasTools: false },
      targets: Float32Array.from(experts, (_, o) => Number(o === e)),
    }
  })
  for (const model of MODELS) {
    await pause(options, `synthetic: ${model}`)
    const trained = train(examples, experts, { task: "choose", model })
    yield {
      name: `decision, ${numExperts} experts, generated requests`,
      contender: model,
      unit: "ms",
      samples: decisionMs(trained, examples),
    }
  }
}

/** Router and words as in `measureIntents`, with the embedded model's vector of each text beside them, computed in a process of its own. */
async function* measureEmbeddings(dir: string, options: SuiteOptions): AsyncIterable<Measurement> {
  const { experts, examples: plain } = readIntents(dir)
  const { root, cacheDir, report } = options
  const sourceDir = join(root, "models/consilium-mini")
  const format = EMBEDDING_FORMAT
  const { dir: preparedDir } = await ensurePrepared({ sourceDir, format, cacheDir, onProgress: () => {} })
  const embedder = await openEmbedder({
    kind: "local",
    model: basename(sourceDir),
    task: "",
    format,
    sourceDir,
    preparedDir,
  })
  try {
    report(`banking77: embedding ${plain.length} texts`)
    const examples = await embedExamples(plain, embedder, () => options.signal.throwIfAborted())
    const { held, rest } = splitExamples(examples, stratumOf, HELD_OUT, SEED)
    for (const model of MODELS) {
      const contender = `${model} + embeddings`
      await pause(options, `banking77: training ${contender}`)
      const trained = train(rest, experts, { task: "choose", model })
      yield rightOf(trained, held, contender)
      const blind = held.map(({ request, targets }) => ({
        request: { ...request, embedding: new Float32Array(embedder.mark.size) },
        targets,
      }))
      yield { ...rightOf(trained, blind, contender), name: "right, 77 intents, where the embedder is late" }
      const samples: number[] = []
      for (const { request } of held.slice(0, NUM_EMBEDDED)) {
        const started = performance.now()
        const [embedding] = await embedder.embed([request.text])
        trained.score({ ...request, embedding: embedding! })
        samples.push(performance.now() - started)
      }
      yield { name: "decision, 77 intents", contender, unit: "ms", samples, note: "the text is embedded for it" }
    }
  } finally {
    await embedder.close()
  }
}

const readIntents = (dir: string): ExampleSet => readExamples([join(dir, "train.csv")], "text", { label: "category" })

function rightOf(trained: LearnedRouter, held: readonly RouterExample[], contender: string): Measurement {
  const { accuracy, accuracyInterval } = judgeRouter(trained, held)
  const note = `95 %: ${accuracyInterval.map((bound) => (100 * bound).toFixed(1)).join(" to ")}, ${held.length} unseen requests`
  return { name: "right, 77 intents", contender, unit: "%", samples: [100 * accuracy], note }
}

async function* measureIntents(dir: string, options: SuiteOptions): AsyncIterable<Measurement> {
  const { experts, examples } = readIntents(dir)
  const desks = JSON.parse(readFileSync(join(dir, "desks.json"), "utf8")) as Record<string, readonly string[]>
  const deskOf = experts.map((intent) => Object.values(desks).findIndex((intents) => intents.includes(intent)))
  const homeless = experts.find((_, e) => deskOf[e] === -1)
  if (homeless !== undefined) throw new Error(`${dir}/desks.json: expected a desk of ${homeless}, found none`)
  const { held, rest } = splitExamples(examples, stratumOf, HELD_OUT, SEED)
  for (const contender of MODELS) {
    await pause(options, `banking77: training ${contender} on ${rest.length} of ${examples.length}`)
    const started = performance.now()
    const trained = train(rest, experts, { task: "choose", model: contender })
    yield { name: "train on banking77", contender, unit: "s", samples: [(performance.now() - started) / 1000] }
    const { calibrationError } = judgeRouter(trained, held)
    yield rightOf(trained, held, contender)
    yield { name: "right, 8 desks", contender, unit: "%", samples: [100 * deskAccuracy(trained, held, deskOf)] }
    yield {
      name: "right as often as it says (100 % less calibration error)",
      contender,
      unit: "%",
      samples: [100 * (1 - calibrationError)],
    }
    yield { name: "decision, 77 intents", contender, unit: "ms", samples: decisionMs(trained, held) }
    yield {
      name: "file, 77 intents",
      contender,
      unit: "MiB",
      samples: [encodeRouter(trained.weights).length / 2 ** 20],
    }
  }
}

/** A desk is worth as much as its intents together. */
function deskAccuracy(trained: LearnedRouter, examples: readonly RouterExample[], deskOf: readonly number[]): number {
  const numRight = examples.reduce((sum, { request, targets }) => {
    const desks = new Float32Array(Math.max(...deskOf) + 1)
    for (const [e, score] of trained.score(request).entries()) desks[deskOf[e]!]! += score
    return sum + Number(desks.indexOf(Math.max(...desks)) === deskOf[targets.indexOf(1)])
  }, 0)
  return numRight / examples.length
}

/** Subjects of MMLU in folds: each judged by a router that has seen none of its subjects. GSM8K's questions in folds, within it. */
async function* measureCost(dir: string, options: SuiteOptions): AsyncIterable<Measurement> {
  const names = readdirSync(dir)
    .filter((name) => name.endsWith(".csv"))
    .sort()
  const read = (name: string): ExampleSet => readExamples([join(dir, name)], "prompt", PAIR)
  const subjects = names.filter((name) => name.startsWith("mmlu")).map(read)
  const inFolds = <T>(items: readonly T[]): T[][] =>
    Array.from({ length: NUM_FOLDS }, (_, fold) => items.filter((_, i) => i % NUM_FOLDS === fold))
  const questions = read("gsm8k.csv").examples
  const sets = {
    "MMLU, unseen subjects": inFolds(subjects).map((fold) => fold.flatMap(({ examples }) => examples)),
    "GSM8K, unseen questions": inFolds(questions),
  }
  for (const [name, folds] of Object.entries(sets)) {
    const outcomes = []
    for (const [f, fold] of folds.entries()) {
      await pause(options, `${name}: fold ${f + 1} of ${NUM_FOLDS}`)
      const rest = folds.filter((other) => other !== fold).flat()
      const trained = trainRouter(rest, {
        experts: subjects[0]!.experts,
        task: "cost-quality",
        model: "linear",
        seed: SEED,
      })
      outcomes.push(...outcomesOf(createCostRouter(trained), fold))
    }
    const { rows, apgrInterval } = judgeOutcomes(outcomes, folds.flat(), SEED)
    for (const { name: contender, apgr, cpt50, cpt80 } of rows) {
      const note =
        contender === "router"
          ? `95 %: ${apgrInterval.map((bound) => (100 * bound).toFixed(1)).join(" to ")}`
          : undefined
      yield { name: `${name}: APGR`, contender, unit: "%", samples: [100 * apgr], ...(note !== undefined && { note }) }
      yield {
        name: `${name}: calls kept off the strong model, half of the gap closed`,
        contender,
        unit: "%",
        samples: [100 * (1 - cpt50)],
      }
      yield {
        name: `${name}: calls kept off the strong model, four fifths closed`,
        contender,
        unit: "%",
        samples: [100 * (1 - cpt80)],
      }
    }
  }
}

/** Trains, and returns what the router's file holds. */
function train(
  examples: readonly RouterExample[],
  experts: readonly string[],
  training: Pick<RouterTraining, "task" | "model">,
): LearnedRouter {
  return createLearnedRouter(
    decodeRouter(encodeRouter(trainRouter(examples, { experts, seed: SEED, ...training })), "bench"),
  )
}

/** Milliseconds of each decision, after a warm-up. */
function decisionMs(trained: LearnedRouter, examples: readonly RouterExample[]): number[] {
  const asked = examples.slice(0, 1000)
  for (const { request } of asked) trained.score(request)
  return asked.map(({ request }) => {
    const started = performance.now()
    trained.score(request)
    return performance.now() - started
  })
}

/** Training blocks this thread: lets Ctrl-C in before. */
async function pause({ signal, report }: SuiteOptions, line: string): Promise<void> {
  await Bun.sleep(0)
  signal.throwIfAborted()
  report(line)
}
