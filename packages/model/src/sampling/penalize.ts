import type { SamplingParams } from "../SamplingParams.ts"
import type { History, SamplingScratch } from "./SamplingScratch.ts"

/**
 * Applies bias and penalties to `scores`, in place.
 *
 * @see repetition: CTRL, arXiv:1909.05858 §4.1; presence and frequency: OpenAI's API reference
 */
export function penalize(
  { scores, counts }: SamplingScratch,
  { ids, numPrompt }: History,
  params: SamplingParams,
): void {
  const { logitBias, repetitionPenalty, presencePenalty, frequencyPenalty } = params
  for (const [id, bias] of logitBias) if (id >= 0 && id < scores.length) scores[id]! += bias

  if (repetitionPenalty !== 1) {
    for (const id of ids) {
      if (counts[id]!++ > 0) continue
      const score = scores[id]!
      scores[id] = score > 0 ? score / repetitionPenalty : score * repetitionPenalty
    }
    for (const id of ids) counts[id] = 0
  }
  if (presencePenalty === 0 && frequencyPenalty === 0) return
  for (let i = numPrompt; i < ids.length; i++) {
    const id = ids[i]!
    scores[id]! -= frequencyPenalty + (counts[id]!++ === 0 ? presencePenalty : 0)
  }
  for (let i = numPrompt; i < ids.length; i++) counts[ids[i]!] = 0
}
