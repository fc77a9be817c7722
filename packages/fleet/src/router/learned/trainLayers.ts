import { createRandom, sigmoid, softmax } from "@consilium/tensor"
import { linearLogits } from "@consilium/gating"
import type { FeatureRow } from "../features/FeatureTable.ts"
import { NUM_TASKS } from "../RequestRouter.ts"
import { shuffle } from "../examples/splitExamples.ts"
import { sumBag } from "./requestLogits.ts"
import type { RouterHead, RouterLayers, RouterWeights } from "./RouterWeights.ts"

/** One example, ready to learn from. */
export interface TrainingRow {
  readonly row: FeatureRow
  readonly taskId: number
  /** `[E]`: 1 where the expert is right */
  readonly targets: Float32Array
}

/** How a router is trained. */
export interface TrainingPlan {
  readonly output: RouterWeights["output"]
  /** `R`; 0 trains a linear router. */
  readonly hiddenWidth: number
  readonly epochs: number
  /** Step size at the start; it falls to 0 in a straight line. */
  readonly rate: number
  /** Draws the rows of features towards 0 whenever they are used (L2). */
  readonly decay: number
  /** Part of a text's grams that are left out each time it is seen: it must be known by any half of its words. */
  readonly gramDropout: number
  /** Part of the truth that is spread over all experts. */
  readonly smoothing: number
}

/** Steps of dense parameters, which every example moves, against those of rows, which few do. */
const DENSE_RATE = 0.1
const BAG_SCALE = 0.1

/** How many of what a router has. */
export interface RouterSizes {
  readonly numGrams: number
  /** Grams and others. */
  readonly numFeatures: number
  readonly numExperts: number
}

/** Trains one router by stochastic gradient descent. The same rows, plan and seed give the same weights. */
export function trainLayers(
  rows: readonly TrainingRow[],
  sizes: RouterSizes,
  plan: TrainingPlan,
  seed: number,
): RouterLayers {
  const random = createRandom(seed)
  const layers = createLayers(sizes, plan.hiddenWidth, random)
  const learner = createLearner(layers, sizes, plan, random)
  const learnsTasks = new Set(rows.map(({ taskId }) => taskId)).size > 1
  const order = [...rows]
  for (let epoch = 0; epoch < plan.epochs; epoch++) {
    shuffle(order, random)
    const rate = plan.rate * (1 - epoch / plan.epochs)
    for (const row of order) learner.step(row, rate, learnsTasks)
  }
  return layers
}

function createLayers(
  { numFeatures, numExperts }: RouterSizes,
  hiddenWidth: number,
  random: () => number,
): RouterLayers {
  if (hiddenWidth === 0) {
    return { bag: new Float32Array(numFeatures * numExperts), bagBias: new Float32Array(numExperts) }
  }
  const uniform = (length: number, limit: number): Float32Array =>
    Float32Array.from({ length }, () => (2 * random() - 1) * limit)
  return {
    bag: uniform(numFeatures * hiddenWidth, BAG_SCALE),
    bagBias: new Float32Array(hiddenWidth),
    head: {
      taskEmbedding: new Float32Array(NUM_TASKS * hiddenWidth),
      output: {
        kind: "linear",
        weight: uniform(numExperts * hiddenWidth, Math.sqrt(3 / hiddenWidth)),
        bias: new Float32Array(numExperts),
      },
    },
  }
}

interface Learner {
  step(row: TrainingRow, rate: number, learnsTasks: boolean): void
}

function createLearner(
  layers: RouterLayers,
  { numGrams, numExperts }: RouterSizes,
  plan: TrainingPlan,
  random: () => number,
): Learner {
  const { bag, bagBias, head } = layers
  const width = bagBias.length
  const hidden = new Float32Array(width)
  const active = new Float32Array(width)
  const back = new Float32Array(width)
  const logits = new Float32Array(numExperts)
  let ids = new Int32Array(0)
  let values = new Float32Array(0)

  /** Keeps some of a row's grams, and makes up for the rest, and all its other features; returns how many. */
  const dropFeatures = ({ row }: TrainingRow): number => {
    if (ids.length < row.ids.length) {
      ids = new Int32Array(row.ids.length * 2)
      values = new Float32Array(row.ids.length * 2)
    }
    let kept = 0
    for (let i = 0; i < row.ids.length; i++) {
      const isGram = row.ids[i]! < numGrams
      if (isGram && random() < plan.gramDropout) continue
      ids[kept] = row.ids[i]!
      values[kept++] = isGram ? row.values[i]! / (1 - plan.gramDropout) : row.values[i]!
    }
    return kept
  }

  /** Steps the head's weights; leaves the loss's slope at the hidden state in `back`. */
  const stepHead = (
    { taskEmbedding, output }: RouterHead,
    errors: Float32Array,
    taskId: number,
    rate: number,
  ): void => {
    back.fill(0)
    for (let e = 0; e < numExperts; e++) {
      const error = errors[e]!
      const first = e * width
      const step = rate * DENSE_RATE * error
      for (let r = 0; r < width; r++) {
        back[r]! += error * output.weight[first + r]!
        output.weight[first + r]! -= step * active[r]!
      }
      output.bias[e]! -= step
    }
    if (taskId >= 0) for (let r = 0; r < width; r++) taskEmbedding[taskId * width + r]! -= rate * DENSE_RATE * back[r]!
    for (let r = 0; r < width; r++) if (hidden[r]! <= 0) back[r] = 0
  }

  return {
    step(example, rate, learnsTasks) {
      const length = dropFeatures(example)
      sumBag(hidden, ids, values, length, layers)
      if (head === undefined) logits.set(hidden)
      else {
        const task = example.taskId * width
        for (let r = 0; r < width; r++) active[r] = Math.max(0, hidden[r]!) + head.taskEmbedding[task + r]!
        linearLogits(logits, active, 1, head.output, numExperts)
      }
      slopeOfLoss(logits, example.targets, plan)
      if (head === undefined) back.set(logits)
      else stepHead(head, logits, learnsTasks ? example.taskId : -1, rate)
      for (let r = 0; r < width; r++) bagBias[r]! -= rate * DENSE_RATE * back[r]!
      for (let i = 0; i < length; i++) {
        const first = ids[i]! * width
        const own = ids[i]! < numGrams ? rate : rate * DENSE_RATE
        const step = own * values[i]!
        const keep = 1 - own * plan.decay
        for (let r = 0; r < width; r++) bag[first + r] = keep * bag[first + r]! - step * back[r]!
      }
    },
  }
}

/** Turns logits into the slope of the cross-entropy, in place: score less target. */
function slopeOfLoss(logits: Float32Array, targets: Float32Array, { output, smoothing }: TrainingPlan): void {
  const numExperts = logits.length
  if (output === "softmax") softmax(logits, logits)
  else for (let e = 0; e < numExperts; e++) logits[e] = sigmoid(logits[e]!)
  const spread = output === "softmax" ? smoothing / numExperts : smoothing / 2
  for (let e = 0; e < numExperts; e++) logits[e]! -= (1 - smoothing) * targets[e]! + spread
}

/** Puts routers that were trained apart into one, which averages their logits: hidden states side by side, or rows averaged. */
export function joinLayers(members: readonly RouterLayers[], numExperts: number): RouterLayers {
  const [first] = members
  if (members.length === 1) return first!
  const widths = first!.bagBias.length
  const numFeatures = first!.bag.length / widths
  const share = 1 / members.length
  if (first!.head === undefined) {
    const mean = (values: readonly Float32Array[]): Float32Array =>
      values[0]!.map((_, i) => values.reduce((sum, one) => sum + one[i]! * share, 0))
    return { bag: mean(members.map(({ bag }) => bag)), bagBias: mean(members.map(({ bagBias }) => bagBias)) }
  }
  const heads = members.map(({ head }) => head!)
  const output = heads.map(({ output }) => output)
  return {
    bag: besideEachOther(
      members.map(({ bag }) => bag),
      numFeatures,
    ),
    bagBias: besideEachOther(
      members.map(({ bagBias }) => bagBias),
      1,
    ),
    head: {
      taskEmbedding: besideEachOther(
        heads.map(({ taskEmbedding }) => taskEmbedding),
        NUM_TASKS,
      ),
      output: {
        kind: "linear",
        weight: besideEachOther(
          output.map(({ weight }) => weight),
          numExperts,
        ).map((value) => value * share),
        bias: Float32Array.from({ length: numExperts }, (_, e) =>
          output.reduce((sum, { bias }) => sum + bias[e]! * share, 0),
        ),
      },
    },
  }
}

/** Row i of the result is row i of every part, one after the other. */
function besideEachOther(parts: readonly Float32Array[], numRows: number): Float32Array {
  const widths = parts.map(({ length }) => length / numRows)
  const total = widths.reduce((sum, width) => sum + width, 0)
  const out = new Float32Array(numRows * total)
  for (let row = 0; row < numRows; row++) {
    let column = 0
    for (const [p, part] of parts.entries()) {
      out.set(part.subarray(row * widths[p]!, (row + 1) * widths[p]!), row * total + column)
      column += widths[p]!
    }
  }
  return out
}
