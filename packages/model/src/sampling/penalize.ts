import type { SamplingParams } from "../SamplingParams.ts"
import type { History, SamplingScratch } from "./SamplingScratch.ts"

/** Tells whether `penalize` would change anything. */
export function isPenalized({
  logitBias,
  repetitionPenalty,
  presencePenalty,
  frequencyPenalty,
}: SamplingParams): boolean {
  return logitBias.length > 0 || repetitionPenalty !== 1 || presencePenalty !== 0 || frequencyPenalty !== 0
}

/**
 * Applies bias and penalties to `values`, in place.
 *
 * @see repetition: CTRL, arXiv:1909.05858 §4.1; presence and frequency: OpenAI's API reference
 */
export function penalize(
  { values, counts }: SamplingScratch,
  { ids, numPrompt }: History,
  params: SamplingParams,
): void {
  const { logitBias, repetitionPenalty, presencePenalty, frequencyPenalty } = params
  for (const [id, bias] of logitBias) if (id >= 0 && id < values.length) values[id]! += bias

  if (repetitionPenalty !== 1) {
    for (const id of ids) {
      if (counts[id]!++ > 0) continue
      const value = values[id]!
      values[id] = value > 0 ? value / repetitionPenalty : value * repetitionPenalty
    }
    for (const id of ids) counts[id] = 0
  }
  if (presencePenalty === 0 && frequencyPenalty === 0) return
  for (let i = numPrompt; i < ids.length; i++) {
    const id = ids[i]!
    values[id]! -= frequencyPenalty + (counts[id]!++ === 0 ? presencePenalty : 0)
  }
  for (let i = numPrompt; i < ids.length; i++) counts[ids[i]!] = 0
}
