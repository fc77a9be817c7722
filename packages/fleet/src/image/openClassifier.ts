import { softmax } from "@consilium/tensor"
import { Effect, type Scope } from "effect"
import { join } from "node:path"
import type { OnnxExpertConfig } from "../config/FleetConfig.ts"
import { createAskedProcess, ProcessError } from "../process/createAskedProcess.ts"
import type { Look } from "./classifierMain.ts"
import { decodePixels } from "./decodePixels.ts"
import type { Sighting } from "./describeImage.ts"

/** A classifier that does not do its work, which is no fault of the image's. */
export class ClassifierError extends Error {
  override readonly name = "ClassifierError"
}

/** Tells what an image shows. @throws ImageError or ClassifierError */
export type Classify = (bytes: Uint8Array, signal: AbortSignal) => Promise<readonly Sighting[]>

const MAIN = join(import.meta.dir, "classifierMain.ts")
/** The likeliest labels, as far as they are likely at all. */
const MOST_LABELS = 3
const LEAST_PROBABILITY = 0.05
const TIMEOUT_MS = 20_000

/**
 * A classifier in a process of its own, which starts with the first image, anew after its death, and ends with the scope.
 *
 * @param model its file
 */
export const openClassifier = (
  config: Pick<OnnxExpertConfig, "labels" | "size" | "mean" | "deviation">,
  model: string,
): Effect.Effect<Classify, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => createClassifier(config, model)),
    ({ end }) => Effect.promise(end),
  ).pipe(Effect.map(({ classify }) => classify))

function createClassifier(config: Pick<OnnxExpertConfig, "labels" | "size" | "mean" | "deviation">, model: string) {
  const { labels, size, mean, deviation } = config
  const asked = createAskedProcess({ main: MAIN, args: [model], timeoutMs: TIMEOUT_MS })
  const score = async (pixels: Uint8Array, signal: AbortSignal): Promise<readonly number[]> => {
    const look: Look = { pixels, size, mean, deviation, numLabels: labels.length }
    const scores = await asked.ask(look, signal).catch((error: unknown) => {
      throw error instanceof ProcessError ? new ClassifierError(error.message) : error
    })
    if (isScores(scores, labels.length)) return scores
    throw new ClassifierError(`expected ${labels.length} finite scores, found others`)
  }
  return {
    classify: async (bytes: Uint8Array, signal: AbortSignal): Promise<readonly Sighting[]> => {
      const probabilities = asProbabilities(await score(await decodePixels(bytes, size, size), signal))
      return labels
        .map((label, i) => ({ label, probability: probabilities[i]! }))
        .filter(({ probability }) => probability >= LEAST_PROBABILITY)
        .toSorted((a, b) => b.probability - a.probability)
        .slice(0, MOST_LABELS)
    },
    end: asked.end,
  }
}

function isScores(value: unknown, length: number): value is readonly number[] {
  return Array.isArray(value) && value.length === length && value.every((score) => Number.isFinite(score))
}

/** Some models end in a softmax, others leave it to who asks. */
function asProbabilities(scores: readonly number[]): readonly number[] {
  const sum = scores.reduce((total, score) => total + score, 0)
  if (Math.abs(sum - 1) < 1e-3 && scores.every((score) => score >= 0)) return scores
  const probabilities = Float32Array.from(scores)
  softmax(probabilities, probabilities)
  return [...probabilities]
}
