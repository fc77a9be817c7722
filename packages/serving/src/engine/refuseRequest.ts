import type { EngineEvent, Generate } from "../protocol.ts"
import type { StepModel } from "./StepModel.ts"

type Refusal = Pick<Extract<EngineEvent, { type: "failed" }>, "code" | "message">

/** Returns why a request cannot be taken; undefined where it can. */
export function refuseRequest(
  { ids }: Generate,
  { capacity, config }: Pick<StepModel, "capacity" | "config">,
  isFull: boolean,
): Refusal | undefined {
  if (ids.length === 0) return { code: "bad-request", message: "a prompt needs at least one token" }
  if (ids.length >= capacity) {
    return {
      code: "context-overflow",
      message: `the prompt has ${ids.length} tokens, the context holds ${capacity} with the answer`,
    }
  }
  const outside = ids.find((id) => id >= config.vocabSize)
  if (outside !== undefined)
    return { code: "bad-request", message: `token id ${outside} is outside the vocabulary of ${config.vocabSize}` }
  return isFull ? { code: "internal", message: "the engine's queue is full" } : undefined
}
