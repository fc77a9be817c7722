/** What feedback has moved a router by: a small correction beside its trained weights, which stay as they are. */
import { linearLogits } from "@consilium/gating"
import { hash32 } from "@consilium/tensor"
import type { LearnedRouter } from "../learned/createLearnedRouter.ts"
import type { ReadRequest } from "../learned/createScorer.ts"
import { scoresOf } from "../learned/scoresOf.ts"
import type { RequestRouter } from "../RequestRouter.ts"
import { RouterError } from "../RouterError.ts"

/** Weights `[E, S]` of a linear router over a request's sketch, added to the trained one's logits. All 0 means: as trained. */
interface RouterCorrection {
  readonly weight: Float32Array
}

/** A router that feedback can move. */
export interface CorrectedRouter extends RequestRouter {
  readonly trained: LearnedRouter
  readonly correction: RouterCorrection
  /** Scores a request that has been read: the same as `score`. */
  scoreRead(read: ReadRequest): Float32Array
}

/** Bounds of what feedback can do. */
export interface FeedbackBounds {
  /** Size of a step for a reward of 1. */
  readonly rate: number
  /** Longest step (Euclidean norm of all weights' change, before the decay). */
  readonly maxStep: number
  /** Farthest that the correction may be from 0, which is as trained. */
  readonly maxDistance: number
  /** Part of the correction that each feedback forgets. */
  readonly decay: number
}

const FEEDBACK_BOUNDS: FeedbackBounds = { rate: 0.5, maxStep: 0.5, maxDistance: 10, decay: 1e-3 }

/** `S`: features share places, with random signs, so that a correction has a small, fixed size whatever the router. */
const SKETCH_SIZE = 512

/**
 * Returns a router that scores as `trained` does, and learns from feedback.
 *
 * @param weight a correction that was kept, `[E, S]`; none unless given
 * @throws RouterError on one of another size, or that is not finite
 */
export function createCorrectedRouter(
  trained: LearnedRouter,
  weight: Float32Array = new Float32Array(trained.experts.length * SKETCH_SIZE),
): CorrectedRouter {
  const { experts, embeddingSize, weights } = trained
  const expected = experts.length * SKETCH_SIZE
  if (weight.length !== expected || !weight.every(Number.isFinite))
    throw new RouterError(`expected a correction of ${expected} finite numbers, found one of ${weight.length}`)
  const correction: RouterCorrection = { weight }
  const scoreRead = (read: ReadRequest): Float32Array => {
    const logits = trained.logits(read)
    const moved = new Float32Array(experts.length)
    linearLogits(moved, sketchOf(trained, read), 1, { kind: "linear", weight }, experts.length)
    for (let e = 0; e < logits.length; e++) logits[e]! += moved[e]!
    return scoresOf(logits, weights.output, 1)
  }
  return {
    experts,
    ...(embeddingSize !== undefined && { embeddingSize }),
    trained,
    correction,
    scoreRead,
    score: (request) => scoreRead(trained.read(request)),
    explain: (request) => trained.explain?.(request) ?? "",
  }
}

/**
 * Returns the router after one request's feedback: the chosen expert's score for requests like it rises with a reward, and falls with a penalty.
 *
 * One step of the gradient bandit, `Δw_e = rate · reward · (1[e = chosen] − p_e) · x`, no longer than `maxStep`; the correction decays towards the trained
 * weights and is never farther from them than `maxDistance`. Pure: `router` stays as it is, and the same feedback gives the same router.
 *
 * @param read by the trained router
 * @param reward −1 (bad) to 1 (good); beyond is cut
 * @throws RouterError on an expert that the router does not know, or a reward that is no number
 * @see Sutton and Barto, Reinforcement Learning, 2nd edition, §2.8
 */
export function learn(
  router: CorrectedRouter,
  read: ReadRequest,
  expert: string,
  reward: number,
  bounds: FeedbackBounds = FEEDBACK_BOUNDS,
): CorrectedRouter {
  const { experts, trained, correction } = router
  const chosen = experts.indexOf(expert)
  if (chosen < 0) throw new RouterError(`expected one of ${experts.join(", ")}, found ${JSON.stringify(expert)}`)
  if (Number.isNaN(reward)) throw new RouterError("expected a reward from -1 to 1, found NaN")
  const x = sketchOf(trained, read)
  const scores = router.scoreRead(read)
  const slope = scores.map((score, e) => (e === chosen ? 1 : 0) - score)
  if (trained.weights.output === "sigmoid") for (let e = 0; e < slope.length; e++) if (e !== chosen) slope[e] = 0
  const wanted = bounds.rate * Math.min(1, Math.max(-1, reward))
  const length = Math.abs(wanted) * Math.hypot(...slope) * Math.hypot(...x)
  const step = length > bounds.maxStep ? (wanted * bounds.maxStep) / length : wanted

  const weight = correction.weight.map((before, i) => {
    const e = Math.floor(i / SKETCH_SIZE)
    return (1 - bounds.decay) * before + step * slope[e]! * x[i % SKETCH_SIZE]!
  })
  const distance = normOf(weight)
  if (distance > bounds.maxDistance) {
    const factor = bounds.maxDistance / distance
    for (let i = 0; i < weight.length; i++) weight[i]! *= factor
  }
  return createCorrectedRouter(trained, weight)
}

/** Euclidean norm: how far a correction is from the trained weights. */
export function normOf(values: Float32Array): number {
  let squares = 0
  for (const value of values) squares += value * value
  return Math.sqrt(squares)
}

/** Folds a request's features into `[S]`. @see Weinberger et al., Feature Hashing, arXiv:0902.2206 */
function sketchOf({ weights }: LearnedRouter, { row }: ReadRequest): Float32Array {
  const { ids, values } = row
  const { hashes } = weights.features
  const sketch = new Float32Array(SKETCH_SIZE)
  for (let i = 0; i < ids.length; i++) {
    const hash = hash32(hashes[ids[i]!] ?? ids[i]!)
    sketch[hash % SKETCH_SIZE]! += hash >= 2 ** 31 ? -values[i]! : values[i]!
  }
  return sketch
}
