import type { CompletionRequest } from "@consilium/serving"
import { type ConsiliumRequest, parseConsilium } from "../http/consilium.ts"
import type { RequestFields } from "../http/RequestFields.ts"
import { checkFields, type KnownFields } from "./checkFields.ts"
import { ANSWER_FIELDS, HARMLESS_FIELDS } from "./parseChatRequest.ts"
import { type AnswerParams, parseAnswerParams } from "./parseSampling.ts"

type Prompt = Extract<CompletionRequest["prompt"], { kind: "text" | "ids" }>

export interface TextRequest extends AnswerParams {
  readonly model: string
  readonly prompts: readonly Prompt[]
  readonly echo: boolean
  readonly numTopLogProbs: number | undefined
  readonly consilium: ConsiliumRequest
  readonly unknownFields: readonly string[]
}

const MAX_PROMPTS = 64

const KNOWN: KnownFields = {
  read: [...ANSWER_FIELDS, "prompt", "echo", "best_of"],
  harmless: HARMLESS_FIELDS,
  unsupported: { suffix: [""] },
}

/** Reads a text completion request. @throws ApiError naming the field */
export function parseCompletionRequest(fields: RequestFields): TextRequest {
  const unknownFields = checkFields(fields, KNOWN)
  const params = parseAnswerParams(fields)
  const bestOf = fields.whole("best_of", 1, 128) ?? params.numChoices
  if (bestOf !== params.numChoices)
    fields.fail("best_of", `n, which is ${params.numChoices}: choosing the best of more is not supported`)
  const numTopLogProbs = fields.whole("logprobs", 0, 20)
  const echo = fields.flag("echo") ?? false
  if (echo && numTopLogProbs !== undefined)
    fields.fail("echo", "it only without logprobs: those of the prompt are not computed")
  return {
    ...params,
    // The older route's default.
    maxTokens: params.maxTokens ?? 16,
    model: fields.text("model") ?? fields.fail("model", "the id of a model, or default"),
    prompts: parsePrompts(fields),
    echo,
    numTopLogProbs,
    consilium: parseConsilium(fields),
    unknownFields,
  }
}

/** A text, token ids, or several of either. */
function parsePrompts(fields: RequestFields): Prompt[] {
  const expected = `a string, an array of token ids, or at most ${MAX_PROMPTS} of either`
  const one = (value: unknown): Prompt => {
    if (typeof value === "string") return { kind: "text", text: value }
    if (isIds(value)) return { kind: "ids", ids: value }
    return fields.fail("prompt", expected)
  }
  const prompt = fields.raw("prompt")
  const isMany = Array.isArray(prompt) && !isIds(prompt)
  if (isMany && (prompt.length === 0 || prompt.length > MAX_PROMPTS)) return fields.fail("prompt", expected)
  return isMany ? prompt.map(one) : [one(prompt)]
}

function isIds(value: unknown): value is number[] {
  return Array.isArray(value) && value.length > 0 && value.every((id) => Number.isSafeInteger(id) && id >= 0)
}
