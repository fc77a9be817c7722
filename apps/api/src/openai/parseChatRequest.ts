import type { ChatMessage, Tool, ToolCall } from "@consilium/serving"
import { invalidField } from "../http/ApiError.ts"
import { type ConsiliumRequest, parseConsilium } from "../http/consilium.ts"
import { objectFields, type RequestFields } from "../http/RequestFields.ts"
import { checkFields, type KnownFields } from "./checkFields.ts"
import { type AnswerParams, parseAnswerParams } from "./parseSampling.ts"

export interface ChatRequest extends AnswerParams {
  readonly model: string
  readonly messages: readonly ChatMessage[]
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
export function parseChatRequest(fields: RequestFields): ChatRequest {
  const unknownFields = checkFields(fields, KNOWN)
  const messages = fields.raw("messages")
  if (!Array.isArray(messages) || messages.length === 0)
    return fields.fail("messages", "an array of at least one message")
  return {
    ...parseAnswerParams(fields),
    model: fields.text("model") ?? fields.fail("model", "the id of a model, or default"),
    messages: messages.map((message, i) => parseMessage(message, `messages[${i}]`)),
    tools: parseTools(fields),
    numTopLogProbs: parseLogProbs(fields),
    consilium: parseConsilium(fields),
    unknownFields,
  }
}

function parseMessage(value: unknown, path: string): ChatMessage {
  const fields = objectFields(value, path)
  const role = fields.text("role")
  if (role === undefined || !(role in ROLES)) return fields.fail("role", `one of ${Object.keys(ROLES).join(", ")}`)
  const toolCalls = parseToolCalls(fields, path)
  const name = fields.text("name")
  const toolCallId = fields.text("tool_call_id")
  return {
    role: ROLES[role as keyof typeof ROLES],
    content: parseContent(fields, path, toolCalls.length > 0),
    ...(name === undefined ? {} : { name }),
    ...(toolCalls.length === 0 ? {} : { toolCalls }),
    ...(toolCallId === undefined ? {} : { toolCallId }),
  }
}

/** A string, or text parts, which are joined. */
function parseContent(fields: RequestFields, path: string, mayBeEmpty: boolean): string {
  const content = fields.raw("content")
  if (typeof content === "string") return content
  if (content === undefined && mayBeEmpty) return ""
  if (!Array.isArray(content)) return fields.fail("content", "a string or an array of text parts")
  return content
    .map((part, i) => {
      const partPath = `${path}.content[${i}]`
      const partFields = objectFields(part, partPath)
      const type = partFields.text("type")
      if (type !== "text")
        throw invalidField(
          `${partPath}.type`,
          `${partPath}.type: this model reads text only, found ${JSON.stringify(type)}.`,
        )
      return partFields.text("text") ?? partFields.fail("text", "a string")
    })
    .join("")
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
