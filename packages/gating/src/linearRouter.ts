import { matmul } from "@consilium/tensor"

/** A linear router: `logits = W · x (+ bias)`. */
export interface LinearRouter {
  readonly kind: "linear"
  /** `[E, H]` */
  readonly weight: Float32Array
  /** `[E]` */
  readonly bias?: Float32Array
}

/**
 * A two-layer router that knows a request's task type: `logits = W₂ · (relu(W₁ · x + b₁) + embedding[task]) + b₂`.
 *
 * @see MMoE, Ma et al. 2018; task-level routing: Kudugunta et al., arXiv:2110.03742
 */
export interface MlpRouter {
  readonly kind: "mlp"
  /** `[R, H]` and `[R]` */
  readonly hiddenWeight: Float32Array
  readonly hiddenBias: Float32Array
  /** `[numTasks, R]` */
  readonly taskEmbedding?: Float32Array
  /** `[E, R]` and `[E]` */
  readonly outputWeight: Float32Array
  readonly outputBias: Float32Array
}

/** Writes router logits `[T, E]` of `hidden` `[T, H]`, in plain TypeScript. */
export function linearLogits(
  out: Float32Array,
  hidden: Float32Array,
  numTokens: number,
  router: LinearRouter,
  numExperts: number,
): void {
  matmul(out, hidden, router.weight, numTokens, numExperts, router.weight.length / numExperts)
  if (router.bias !== undefined) addRows(out, numTokens, router.bias)
}

/**
 * Writes router logits `[T, E]`.
 *
 * @param taskIds `[T]`, needed where the router has task embeddings
 * @throws RangeError on a task id that has no embedding
 */
export function mlpLogits(
  out: Float32Array,
  hidden: Float32Array,
  numTokens: number,
  router: MlpRouter,
  numExperts: number,
  taskIds?: Int32Array,
): void {
  const width = router.hiddenBias.length
  const inner = new Float32Array(numTokens * width)
  matmul(inner, hidden, router.hiddenWeight, numTokens, width, router.hiddenWeight.length / width)
  addRows(inner, numTokens, router.hiddenBias)
  for (let i = 0; i < inner.length; i++) inner[i] = Math.max(0, inner[i]!)
  const { taskEmbedding } = router
  if (taskEmbedding !== undefined) addTasks(inner, numTokens, width, taskEmbedding, taskIds)
  matmul(out, inner, router.outputWeight, numTokens, numExperts, width)
  addRows(out, numTokens, router.outputBias)
}

function addTasks(
  inner: Float32Array,
  numTokens: number,
  width: number,
  embedding: Float32Array,
  taskIds?: Int32Array,
): void {
  const numTasks = embedding.length / width
  for (let t = 0; t < numTokens; t++) {
    const task = taskIds?.[t]
    if (task === undefined || task < 0 || task >= numTasks) {
      throw new RangeError(
        `token ${t}: expected a task id from 0 to ${numTasks - 1}, found ${task ?? "none"}: pass taskIds`,
      )
    }
    for (let i = 0; i < width; i++) inner[t * width + i]! += embedding[task * width + i]!
  }
}

function addRows(out: Float32Array, numRows: number, bias: Float32Array): void {
  for (let row = 0; row < numRows; row++) for (let i = 0; i < bias.length; i++) out[row * bias.length + i]! += bias[i]!
}
