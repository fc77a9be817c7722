import type { ChatMessage, Tool, ToolCall } from "@consilium/serving"
import { invalidField } from "../http/ApiError.ts"
import { type ConsiliumRequest, parseConsilium } from "../http/consilium.ts"
import { objectFields, type RequestFields } from "../http/RequestFields.ts"
import { checkFields, type KnownFields } from "./checkFields.ts"
import { type AnswerParams, parseAnswerParams } from "./parseSampling.ts"

/** A message with the images that it shows: URLs, or data URLs. */
type ParsedMessage = ChatMessage & { readonly images?: readonly string[] }

export interface ChatRequest extends AnswerParams {
  readonly model: string
  /** With images only where those are read. */
  readonly messages: readonly ParsedMessage[]
  readonly tools: readonly Tool[]
  readonly numTopLogProbs: number | undefined
  readonly consilium: ConsiliumRequest
  readonly unknownFields: readonly string[]
}

/** Fields that both completion routes read. */
export const ANSWER_FIELDS = [
  "model",
  "n",
  "temperature",
  "top_p",
  "top_k",
  "min_p",
  "repetition_penalty",
  "presence_penalty",
  "frequency_penalty",
  "logit_bias",
  "seed",
  "max_tokens",
  "stop",
  "stream",
  "stream_options",
  "logprobs",
  "consilium",
]
export const HARMLESS_FIELDS = [
  "user",
  "metadata",
  "store",
  "service_tier",
  "safety_identifier",
  "prompt_cache_key",
  "prompt_cache_retention",
]

const KNOWN: KnownFields = {
  read: [...ANSWER_FIELDS, "messages", "tools", "tool_choice", "max_completion_tokens", "top_logprobs"],
  harmless: HARMLESS_FIELDS,
  unsupported: {
    response_format: [{ type: "text" }],
    functions: [],
    function_call: [],
    audio: [],
    modalities: [["text"]],
    prediction: [],
    web_search_options: [],
    parallel_tool_calls: [true],
    reasoning_effort: ["none"],
    verbosity: ["medium"],
  },
}

const ROLES = { system: "system", developer: "system", user: "user", assistant: "assistant", tool: "tool" } as const

/** Reads a chat completion request. @throws ApiError naming the field */
export function parseChatRequest(fields: RequestFields, { readsImages = false } = {}): ChatRequest {
  const unknownFields = checkFields(fields, KNOWN)
  return {
    ...parseAnswerParams(fields),
    model: fields.text("model") ?? fields.fail("model", "the id of a model, or default"),
    messages: parseMessages(fields, { readsImages }),
    tools: parseTools(fields),
    numTopLogProbs: parseLogProbs(fields),
    consilium: parseConsilium(fields),
    unknownFields,
  }
}

/** Reads a conversation. @throws ApiError naming the field */
export function parseMessages(fields: RequestFields, { readsImages = false } = {}): readonly ParsedMessage[] {
  const messages = fields.raw("messages")
  if (!Array.isArray(messages) || messages.length === 0)
    return fields.fail("messages", "an array of at least one message")
  return messages.map((message, i) => parseMessage(message, `messages[${i}]`, readsImages))
}

function parseMessage(value: unknown, path: string, readsImages: boolean): ParsedMessage {
  const fields = objectFields(value, path)
  const role = fields.text("role")
  if (role === undefined || !(role in ROLES)) return fields.fail("role", `one of ${Object.keys(ROLES).join(", ")}`)
  const toolCalls = parseToolCalls(fields, path)
  const name = fields.text("name")
  const toolCallId = fields.text("tool_call_id")
  const { text, images } = parseContent(fields, path, { mayBeEmpty: toolCalls.length > 0, readsImages })
  return {
    role: ROLES[role as keyof typeof ROLES],
    content: text,
    ...(images.length === 0 ? {} : { images }),
    ...(name === undefined ? {} : { name }),
    ...(toolCalls.length === 0 ? {} : { toolCalls }),
    ...(toolCallId === undefined ? {} : { toolCallId }),
  }
}

interface Content {
  readonly text: string
  readonly images: readonly string[]
}

/** A string, or parts: those of text are joined, images are kept apart. */
function parseContent(
  fields: RequestFields,
  path: string,
  { mayBeEmpty, readsImages }: { readonly mayBeEmpty: boolean; readonly readsImages: boolean },
): Content {
  const content = fields.raw("content")
  if (typeof content === "string") return { text: content, images: [] }
  if (content === undefined && mayBeEmpty) return { text: "", images: [] }
  if (!Array.isArray(content)) return fields.fail("content", "a string or an array of text parts")
  const images: string[] = []
  const texts = content.map((part, i) => {
    const partPath = `${path}.content[${i}]`
    const partFields = objectFields(part, partPath)
    const type = partFields.text("type")
    if (type === "image_url" && readsImages) {
      images.push(parseImage(partFields, partPath))
      return ""
    }
    if (type !== "text")
      throw invalidField(
        `${partPath}.type`,
        `${partPath}.type: ${readsImages ? 'expected "text" or "image_url"' : "this model reads text only"}, found ${JSON.stringify(type)}.`,
      )
    return partFields.text("text") ?? partFields.fail("text", "a string")
  })
  return { text: texts.join(""), images }
}

/** An address is passed on as it is: nothing is fetched here. */
function parseImage(part: RequestFields, path: string): string {
  const fields = objectFields(part.raw("image_url"), `${path}.image_url`)
  const url = fields.text("url") ?? fields.fail("url", "an address or a data URL")
  return /^(https?:\/\/|data:image\/)/i.test(url)
    ? url
    : fields.fail("url", "an http address or a data URL of an image")
}

function parseToolCalls(fields: RequestFields, path: string): ToolCall[] {
  const calls = fields.raw("tool_calls")
  if (calls === undefined) return []
  if (!Array.isArray(calls)) return fields.fail("tool_calls", "an array")
  return calls.map((call, i) => {
    const callFields = objectFields(call, `${path}.tool_calls[${i}]`)
    const called = objectFields(callFields.raw("function"), `${path}.tool_calls[${i}].function`)
    return {
      id: callFields.text("id") ?? callFields.fail("id", "a string"),
      name: called.text("name") ?? called.fail("name", "a string"),
      arguments: called.text("arguments") ?? called.fail("arguments", "JSON text"),
    }
  })
}

function parseTools(fields: RequestFields): Tool[] {
  const choice = fields.raw("tool_choice")
  if (choice !== undefined && choice !== "auto" && choice !== "none")
    return fields.fail("tool_choice", '"auto" or "none"')
  const tools = fields.raw("tools")
  if (tools === undefined || choice === "none") return []
  if (!Array.isArray(tools)) return fields.fail("tools", "an array of functions")
  return tools.map((tool, i) => {
    const toolFields = objectFields(tool, `tools[${i}]`)
    if (toolFields.text("type") !== "function") return toolFields.fail("type", '"function"')
    const described = objectFields(toolFields.raw("function"), `tools[${i}].function`)
    if (!/^[\w-]{1,64}$/.test(described.text("name") ?? "")) described.fail("name", "1 to 64 letters, digits, _ or -")
    return tool as Tool
  })
}

function parseLogProbs(fields: RequestFields): number | undefined {
  const isWanted = fields.flag("logprobs") ?? false
  const numTop = fields.whole("top_logprobs", 0, 20)
  if (numTop !== undefined && !isWanted) return fields.fail("top_logprobs", "it only together with logprobs: true")
  return isWanted ? (numTop ?? 0) : undefined
}
