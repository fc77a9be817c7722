import { GREEDY } from "@consilium/model"
import { CANARY_PREFIX, type ControlResult } from "@consilium/serving"
import { invalidField } from "../http/ApiError.ts"
import { runForRequest } from "../http/sse.ts"
import type { ModelDeps } from "../http/ServiceDeps.ts"

/** Most alternatives of a first token that are compared. */
const NUM_ALTERNATIVES = 20
const MAX_PROMPTS = 64

/** What versions are judged by: prompts, and how much their first token's distribution may change, in [0, 1]. */
export interface CanaryCheck {
  readonly prompts: readonly string[]
  readonly bound: number
}

/**
 * Serves versions as a canary to a few prompts alone, and accepts them where the first token's distribution changes no more than the bound: the total variation
 * distance over the likeliest tokens, the mean of all prompts.
 *
 * @throws ApiError where the change is larger; the versions are gone then
 */
export async function judgeCanary(
  { engine, text }: ModelDeps,
  { prompts, bound }: CanaryCheck,
  signal: AbortSignal,
  {
    begin,
    end,
  }: { readonly begin: () => Promise<ControlResult>; readonly end: (isAccepted: boolean) => Promise<ControlResult> },
): Promise<ControlResult> {
  const ids = prompts.map((prompt) => text.tokenizer.encode(prompt))
  const distribution = async (prompt: readonly number[], isCanary: boolean): Promise<Map<number, number>> => {
    const likely = new Map<number, number>()
    await runForRequest(
      engine.generate(
        {
          requestId: `${isCanary ? CANARY_PREFIX : ""}check-${crypto.randomUUID()}`,
          ids: [...prompt],
          sampling: GREEDY,
          seed: 0,
          choice: 0,
          maxTokens: 1,
          stopIds: [],
          numTopLogProbs: NUM_ALTERNATIVES,
          trace: false,
        },
        (event) => {
          if (event.type !== "tokens") return
          for (const [id, logProb] of event.tokens[0]?.top ?? []) likely.set(id, Math.exp(logProb))
        },
      ),
      signal,
    )
    return likely
  }

  await begin()
  let change = 0
  try {
    for (const prompt of ids) {
      change += distance(await distribution(prompt, false), await distribution(prompt, true)) / ids.length
    }
  } catch (error) {
    await end(false)
    throw error
  }
  if (change <= bound) return end(true)
  await end(false)
  throw invalidField(
    "check",
    `check: the new versions change the first token's distribution by ${change.toFixed(4)}, the bound is ${bound}: they are not served`,
  )
}

/** @throws ApiError */
export function parseCheck(check: unknown): CanaryCheck {
  const { prompts, bound } = (check ?? {}) as { readonly prompts?: unknown; readonly bound?: unknown }
  const isList = Array.isArray(prompts) && prompts.length > 0 && prompts.length <= MAX_PROMPTS
  if (!isList || !prompts.every((prompt) => typeof prompt === "string" && prompt !== ""))
    throw invalidField("check.prompts", `check.prompts: expected 1 to ${MAX_PROMPTS} texts`)
  if (typeof bound !== "number" || bound < 0 || bound > 1)
    throw invalidField("check.bound", "check.bound: expected a number from 0 to 1")
  return { prompts, bound }
}

/** Total variation distance of two distributions, of which the likeliest values are known. */
function distance(a: ReadonlyMap<number, number>, b: ReadonlyMap<number, number>): number {
  let sum = 0
  for (const id of new Set([...a.keys(), ...b.keys()])) sum += Math.abs((a.get(id) ?? 0) - (b.get(id) ?? 0))
  return sum / 2
}
