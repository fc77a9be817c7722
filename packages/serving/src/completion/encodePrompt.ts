import { countTokensAtLeast, encodeChat, type TemplateMessage, TextError } from "@consilium/model"
import { Data } from "effect"
import type { ChatMessage, CompletionRequest } from "./Completion.ts"
import type { ModelText } from "./ModelText.ts"

/** A request that cannot be turned into a prompt; `param` names the field. */
export class PromptError extends Data.TaggedError("PromptError")<{
  readonly code: "context-overflow" | "bad-request"
  readonly param: string
  readonly message: string
}> {}

/** Texts up to this many characters are counted exactly, so that the error can say by how much they are too long. */
const COUNTED_LENGTH = 2 ** 15

/**
 * Turns a request's prompt into ids.
 *
 * @param contextLength most ids of prompt and answer together
 * @throws PromptError on a prompt that cannot fit, a conversation that the template refuses, or a model without a template
 */
export function encodePrompt(
  prompt: CompletionRequest["prompt"],
  { tokenizer, template }: ModelText,
  contextLength: number,
): readonly number[] {
  const param = prompt.kind === "chat" ? "messages" : "prompt"
  const subject = prompt.kind === "chat" ? "messages take" : "prompt takes"
  const fail = (code: PromptError["code"], message: string): never => {
    throw new PromptError({ code, param, message })
  }
  const checkLength = (length: number, least = ""): void => {
    if (length >= contextLength) {
      fail(
        "context-overflow",
        `This model's context holds ${contextLength} tokens with the answer; the ${subject} ${least}${length}. Shorten the ${param}.`,
      )
    }
  }
  // A text far beyond the context is refused before it is encoded: no token is longer than the vocabulary's longest.
  const checkBytes = (text: string): void =>
    checkLength(Math.floor(Buffer.byteLength(text) / tokenizer.longestTokenBytes), "at least ")
  // One that may be beyond it is encoded no further than shows it: this process serves others too.
  const checkText = (text: string): void => {
    checkBytes(text)
    if (text.length > Math.max(COUNTED_LENGTH, 2 * contextLength))
      checkLength(countTokensAtLeast(tokenizer, text, contextLength), "at least ")
  }

  const encode = (): readonly number[] => {
    if (prompt.kind === "ids") return prompt.ids
    if (prompt.kind === "text") {
      checkText(prompt.text)
      return tokenizer.encode(prompt.text, { addSpecialTokens: true })
    }
    for (const { content } of prompt.messages) checkBytes(content)
    if (template === undefined) return fail("bad-request", "This model has no chat template: use /v1/completions.")
    try {
      const { messages, tools, answered = "" } = prompt
      const conversation = { messages: messages.map(templateMessage), tools, answered }
      return encodeChat(tokenizer, template, conversation, checkText)
    } catch (error) {
      if (error instanceof TextError) return fail("bad-request", error.message)
      throw error
    }
  }
  const ids = encode()
  if (ids.length === 0) fail("bad-request", `The ${param}: expected at least one token, found none.`)
  checkLength(ids.length)
  return ids
}

function templateMessage({ role, content, name, toolCalls, toolCallId }: ChatMessage): TemplateMessage {
  return {
    role,
    content,
    ...(name === undefined ? {} : { name }),
    ...(toolCallId === undefined ? {} : { tool_call_id: toolCallId }),
    ...(toolCalls === undefined || toolCalls.length === 0
      ? {}
      : {
          tool_calls: toolCalls.map((call) => ({
            id: call.id,
            type: "function" as const,
            function: { name: call.name, arguments: parsedOrText(call.arguments) },
          })),
        }),
  }
}

/** Templates write arguments as JSON themselves: they want the value. */
function parsedOrText(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text
  }
}
