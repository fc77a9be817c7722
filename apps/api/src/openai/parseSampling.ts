import type { SamplingParams } from "@consilium/model"
import type { RequestFields } from "../http/RequestFields.ts"

/** What both completion routes say about how to answer. */
export interface AnswerParams {
  readonly numChoices: number
  readonly sampling: SamplingParams
  readonly seed: number | undefined
  readonly maxTokens: number | undefined
  readonly stop: readonly string[]
  readonly isStream: boolean
  readonly includesUsage: boolean
}

const MAX_CHOICES = 128
const MAX_STOPS = 16

/** Reads the fields that chat and text completions share. @throws ApiError naming the field */
export function parseAnswerParams(fields: RequestFields): AnswerParams {
  const isStream = fields.flag("stream") ?? false
  return {
    numChoices: fields.whole("n", 1, MAX_CHOICES) ?? 1,
    sampling: {
      temperature: fields.number("temperature", 0, 2) ?? 1,
      topP: fields.number("top_p", 0, 1) ?? 1,
      topK: fields.whole("top_k", 0, 2 ** 31) ?? 0,
      minP: fields.number("min_p", 0, 1) ?? 0,
      repetitionPenalty: positive(fields, "repetition_penalty"),
      presencePenalty: fields.number("presence_penalty", -2, 2) ?? 0,
      frequencyPenalty: fields.number("frequency_penalty", -2, 2) ?? 0,
      logitBias: parseLogitBias(fields),
    },
    seed: parseSeed(fields),
    maxTokens: fields.whole("max_completion_tokens", 1, 2 ** 31) ?? fields.whole("max_tokens", 1, 2 ** 31),
    stop: parseStop(fields),
    isStream,
    includesUsage: parseStreamOptions(fields, isStream),
  }
}

function positive(fields: RequestFields, name: string): number {
  const value = fields.number(name, 0, 100) ?? 1
  return value > 0 ? value : fields.fail(name, "a number above 0")
}

/** A negative seed is as good as any: it is read as its 53-bit remainder. */
function parseSeed(fields: RequestFields): number | undefined {
  const seed = fields.whole("seed", Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
  return seed === undefined || seed >= 0 ? seed : seed - Number.MIN_SAFE_INTEGER
}

function parseLogitBias(fields: RequestFields): SamplingParams["logitBias"] {
  const value = fields.raw("logit_bias")
  if (value === undefined) return []
  const expected = "an object of token ids to numbers from -100 to 100"
  if (typeof value !== "object" || Array.isArray(value)) return fields.fail("logit_bias", expected)
  return Object.entries(value as Record<string, unknown>).map(([key, bias]) => {
    const isBias = typeof bias === "number" && bias >= -100 && bias <= 100
    return /^\d{1,9}$/.test(key) && isBias ? ([Number(key), bias] as const) : fields.fail("logit_bias", expected)
  })
}

function parseStop(fields: RequestFields): readonly string[] {
  const value = fields.raw("stop")
  if (value === undefined) return []
  const stops = typeof value === "string" ? [value] : value
  const isStops =
    Array.isArray(stops) && stops.length <= MAX_STOPS && stops.every((stop) => typeof stop === "string" && stop !== "")
  return isStops ? (stops as string[]) : fields.fail("stop", `a string, or at most ${MAX_STOPS} of them, none empty`)
}

function parseStreamOptions(fields: RequestFields, isStream: boolean): boolean {
  const value = fields.raw("stream_options")
  if (value === undefined) return false
  if (!isStream) return fields.fail("stream_options", "it only together with stream: true")
  return typeof value === "object" && (value as { include_usage?: unknown }).include_usage === true
}
