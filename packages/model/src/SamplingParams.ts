/** How the next token is chosen; order and rules are those of transformers (penalties, temperature, top-k, top-p, min-p). */
export interface SamplingParams {
  /** Divides the logits; 0 is greedy. */
  readonly temperature: number
  /** Keeps the best k; 0 keeps all. */
  readonly topK: number
  /** Keeps the smallest set of best tokens whose probability reaches it; 1 keeps all. */
  readonly topP: number
  /** Keeps tokens with at least this share of the best one's probability, after top-k and top-p; 0 keeps all. */
  readonly minP: number
  /** Over prompt and generated ids: positive logits are divided by it, others multiplied. */
  readonly repetitionPenalty: number
  /** Taken once from the logit of every generated id. */
  readonly presencePenalty: number
  /** Taken from the logit of a generated id as often as it occurred. */
  readonly frequencyPenalty: number
  /** Added to logits by id, before everything else. */
  readonly logitBias: readonly (readonly [id: number, bias: number])[]
}

/** Greedy, with nothing else applied. */
export const GREEDY: SamplingParams = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  logitBias: [],
}
