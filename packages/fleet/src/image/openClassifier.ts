import { softmax } from "@consilium/tensor"
import type { Subprocess } from "bun"
import { Effect, type Scope } from "effect"
import { join } from "node:path"
import type { OnnxExpertConfig } from "../config/FleetConfig.ts"
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

type Asker = PromiseWithResolvers<readonly number[]>

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
  const asking = new Map<number, Asker>()
  let child: Subprocess | undefined
  let nextId = 0
  const failAll = (): void => {
    for (const asker of asking.values()) asker.reject(new ClassifierError("its process ended"))
    asking.clear()
  }
  const start = (): Subprocess =>
    Bun.spawn([process.execPath, MAIN, model], {
      stdio: ["ignore", "ignore", "inherit"],
      serialization: "advanced",
      ipc(message) {
        const { id, scores, error } = message as { id: number; scores?: unknown; error?: unknown }
        const asker = asking.get(id)
        asking.delete(id)
        if (isScores(scores, labels.length)) asker?.resolve(scores)
        else asker?.reject(new ClassifierError(String(error)))
      },
      onExit() {
        child = undefined
        failAll()
      },
    })
  const score = async (pixels: Uint8Array, signal: AbortSignal): Promise<readonly number[]> => {
    child ??= start()
    const id = nextId++
    const asker = Promise.withResolvers<readonly number[]>()
    asking.set(id, asker)
    // One that hangs in native code is ended, and another one starts with the next image.
    const timer = setTimeout(() => child?.kill("SIGKILL"), TIMEOUT_MS)
    signal.addEventListener("abort", () => asker.reject(new ClassifierError("nobody waits for it any more")))
    child.send({ id, pixels, size, mean, deviation, numLabels: labels.length })
    return asker.promise.finally(() => {
      clearTimeout(timer)
      asking.delete(id)
    })
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
    async end(): Promise<void> {
      child?.kill("SIGKILL")
      await child?.exited
    },
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
