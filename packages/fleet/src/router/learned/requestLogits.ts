import { linearLogits, type MlpRouter, mlpLogits } from "@consilium/gating"
import type { FeatureRow } from "../features/FeatureTable.ts"
import { NUM_TASKS } from "../RequestRouter.ts"
import { hiddenWidth, type RouterLayers } from "./RouterWeights.ts"

/** Buffers of one request. */
export interface RouterScratch {
  /** `[R]` */
  readonly hidden: Float32Array
}

/** Allocates what scoring writes to. */
export function createRouterScratch(layers: Pick<RouterLayers, "bagBias">): RouterScratch {
  return { hidden: new Float32Array(hiddenWidth(layers)) }
}

/** Writes a request's logits `[E]`, by the rows of the features that it has alone. */
export function requestLogits(
  out: Float32Array,
  row: FeatureRow,
  taskId: number,
  layers: RouterLayers,
  { hidden }: RouterScratch,
): void {
  sumBag(hidden, row.ids, row.values, row.ids.length, layers)
  const { head } = layers
  if (head === undefined) out.set(hidden)
  else {
    activate(hidden, head.taskEmbedding, taskId)
    linearLogits(out, hidden, 1, head.output, out.length)
  }
}

/** Writes the hidden state `[R]` before its activation: the bias and the rows of the first `length` features. */
export function sumBag(
  hidden: Float32Array,
  ids: Int32Array,
  values: Float32Array,
  length: number,
  { bag, bagBias }: RouterLayers,
): void {
  const width = bagBias.length
  hidden.set(bagBias)
  for (let i = 0; i < length; i++) {
    const first = ids[i]! * width
    const value = values[i]!
    for (let r = 0; r < width; r++) hidden[r]! += value * bag[first + r]!
  }
}

function activate(hidden: Float32Array, taskEmbedding: Float32Array, taskId: number): void {
  const first = taskId * hidden.length
  for (let r = 0; r < hidden.length; r++) hidden[r] = Math.max(0, hidden[r]!) + taskEmbedding[first + r]!
}

/** As `requestLogits`, by gating's own routers over all `N` features: what that is tested against. */
export function requestLogitsPlain(out: Float32Array, row: FeatureRow, taskId: number, layers: RouterLayers): void {
  const { bag, bagBias, head } = layers
  const width = bagBias.length
  const numFeatures = bag.length / width
  const hidden = new Float32Array(numFeatures)
  for (let i = 0; i < row.ids.length; i++) hidden[row.ids[i]!]! += row.values[i]!
  const weight = new Float32Array(bag.length)
  for (let n = 0; n < numFeatures; n++) {
    for (let r = 0; r < width; r++) weight[r * numFeatures + n] = bag[n * width + r]!
  }
  if (head === undefined) {
    linearLogits(out, hidden, 1, { kind: "linear", weight, bias: bagBias }, out.length)
    return
  }
  const router: MlpRouter = {
    kind: "mlp",
    hiddenWeight: weight,
    hiddenBias: bagBias,
    taskEmbedding: head.taskEmbedding.subarray(0, NUM_TASKS * width),
    outputWeight: head.output.weight,
    outputBias: head.output.bias,
  }
  mlpLogits(out, hidden, 1, router, out.length, Int32Array.of(taskId))
}
