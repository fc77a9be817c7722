import type { EmbedderMark } from "../embed/Embedder.ts"
import { createFeaturizer, fitFeatures } from "../features/FeatureTable.ts"
import { hashText } from "../features/hashGrams.ts"
import { NUM_FORMS, requestFeatures } from "../features/requestFeatures.ts"
import { splitExamples } from "../examples/splitExamples.ts"
import { type RouterExample, stratumOf } from "../examples/RouterExample.ts"
import { taskOf } from "../RequestRouter.ts"
import { RouterError } from "../RouterError.ts"
import { fitTemperature } from "./fitTemperature.ts"
import { measureTradeOff } from "./measureTradeOff.ts"
import { createScorer } from "./createScorer.ts"
import type { RouterLayers, RouterWeights } from "./RouterWeights.ts"
import { joinLayers, trainLayers, type TrainingPlan, type TrainingRow } from "./trainLayers.ts"

export interface RouterTraining {
  readonly experts: readonly string[]
  /** Of two experts, the cheap one first, each right or wrong by itself; or of any number, one of them right. */
  readonly task: "choose" | "cost-quality"
  /** A linear router is smaller and trains faster; an MLP is right more often. */
  readonly model: "linear" | "mlp"
  readonly seed: number
  /** What made the examples' embeddings, where they have some: whoever asks the router asks it first. */
  readonly embedder?: EmbedderMark
  /** Hears what is being done: training blocks. */
  readonly onProgress?: (line: string) => void
}

/** Chosen on a fold of the training part of banking77, split by seed 7. */
const CHOOSE: Record<RouterTraining["model"], TrainingPlan & { readonly numMembers: number }> = {
  linear: plan({ hiddenWidth: 0, numMembers: 1 }),
  mlp: plan({ hiddenWidth: 64, numMembers: 4 }),
}
/** Outcomes are noisy: smaller steps, and drawn to 0. Of the plans that were tried on the folds of model-responses, none was surely better than another. */
const COST_QUALITY: typeof CHOOSE = {
  linear: plan({ hiddenWidth: 0, numMembers: 1, output: "sigmoid", smoothing: 0, epochs: 10, rate: 0.2, decay: 1e-3 }),
  mlp: plan({ hiddenWidth: 16, numMembers: 4, output: "sigmoid", smoothing: 0, epochs: 10, rate: 0.2, decay: 1e-3 }),
}
/** Part of the examples on which temperature and thresholds are set, by a router that has not seen them. */
const VALIDATION_SHARE = 0.1

function plan(change: Partial<TrainingPlan> & { readonly numMembers: number }) {
  const common = { output: "softmax", hiddenWidth: 0, epochs: 10, rate: 1, decay: 0, gramDropout: 0.5 } as const
  return { ...common, smoothing: 0.05, ...change }
}

/**
 * Trains a router. The same examples and training give the same weights.
 *
 * A part of the examples is kept back at first, to set the temperature by. One that chooses is then trained again, with all; a cost router is kept as it
 * was judged, for its thresholds are its own.
 *
 * @throws RouterError on fewer than two experts, or examples that cannot be
 */
export function trainRouter(
  examples: readonly RouterExample[],
  { experts, task, model, seed, embedder, onProgress }: RouterTraining,
): RouterWeights {
  checkExamples(examples, experts, task)
  const plan = (task === "choose" ? CHOOSE : COST_QUALITY)[model]
  const train = (of: readonly RouterExample[], label: string): RouterWeights => ({
    ...trainOnce(of, experts, plan, seed, label, onProgress),
    ...(embedder !== undefined && { embedder }),
  })
  const { held, rest } = splitExamples(examples, stratumOf, VALIDATION_SHARE, seed)
  if (held.length === 0 && task === "choose") return train(examples, "all examples")
  if (held.length === 0) throw new RouterError("expected ten examples or more, found too few to set thresholds by")
  const judged = train(rest, "without the validation part")
  const judge = createScorer(judged)
  const logits = held.map(({ request }) => judge.logits(judge.read(request)))
  const targets = held.map((example) => example.targets)
  const temperature = fitTemperature(logits, targets, plan.output)
  if (task === "choose") return { ...train(examples, "all examples"), temperature }
  const tradeOff = measureTradeOff(logits, held, temperature)
  return { ...judged, seen: seenOf(examples, seed), temperature, tradeOff }
}

/** Hashes of all texts: the validation part has been seen too. */
function seenOf(examples: readonly RouterExample[], seed: number): Uint32Array {
  return Uint32Array.from(new Set(examples.map(({ request }) => hashText(request.text, seed)))).sort()
}

function trainOnce(
  examples: readonly RouterExample[],
  experts: readonly string[],
  plan: TrainingPlan & { readonly numMembers: number },
  seed: number,
  label: string,
  onProgress: RouterTraining["onProgress"],
): RouterWeights {
  const texts = examples.map(({ request }) => request.text)
  const features = fitFeatures(texts, seed)
  const embeddingSize = examples[0]!.request.embedding?.length ?? 0
  const featurize = createFeaturizer(features)
  const numGrams = features.hashes.length
  const rows = examples.map(({ request, targets }): TrainingRow => ({
    row: requestFeatures(request, featurize, numGrams, embeddingSize),
    taskId: taskOf(request),
    targets,
  }))
  const numFeatures = numGrams + NUM_FORMS + embeddingSize
  const sizes = { numGrams, numFeatures, numExperts: experts.length }
  const members = Array.from({ length: plan.numMembers }, (_, m): RouterLayers => {
    onProgress?.(`training on ${label}, ${m + 1} of ${plan.numMembers}`)
    return trainLayers(rows, sizes, plan, seed + m)
  })
  const layers = joinLayers(members, experts.length)
  return {
    experts,
    output: plan.output,
    features,
    embeddingSize,
    seen: seenOf(examples, seed),
    ...layers,
    temperature: 1,
  }
}

function checkExamples(
  examples: readonly RouterExample[],
  experts: readonly string[],
  task: RouterTraining["task"],
): void {
  if (experts.length < 2) throw new RouterError(`expected two experts or more to choose from, found ${experts.length}`)
  if (task === "cost-quality" && experts.length !== 2)
    throw new RouterError(`expected two experts, a cheap one and a strong one, found ${experts.length}`)
  if (examples.length === 0) throw new RouterError("expected examples to learn from, found none")
  const wrong = examples.findIndex(({ targets }) => targets.length !== experts.length)
  if (wrong >= 0)
    throw new RouterError(
      `example ${wrong + 1}: expected ${experts.length} targets, one for each expert, found ${examples[wrong]!.targets.length}`,
    )
}
