import { Template } from "@huggingface/jinja"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { readJsonObject } from "../checkpoint/openCheckpoint.ts"
import { TextError } from "./TextError.ts"

/** A message as templates know it. */
export interface TemplateMessage {
  readonly role: string
  readonly content: string
  readonly name?: string
  readonly tool_call_id?: string
  readonly tool_calls?: readonly {
    readonly id: string
    readonly type: "function"
    readonly function: { readonly name: string; readonly arguments: unknown }
  }[]
}

export interface ChatTemplate {
  /** The template speaks of tools, and writes calls the way that we parse. */
  readonly hasTools: boolean
  /** @throws TextError with the template's own words, such as "roles must alternate" */
  render(messages: readonly TemplateMessage[], tools: readonly unknown[]): string
}

/**
 * Loads the chat template of a checkpoint: chat_template.jinja, or the one in tokenizer_config.json. Undefined where there is none.
 *
 * @throws TextError on a template that cannot be parsed
 */
export function loadChatTemplate(dir: string): ChatTemplate | undefined {
  const configPath = join(dir, "tokenizer_config.json")
  const config = existsSync(configPath) ? readJsonObject(configPath) : {}
  const jinjaPath = join(dir, "chat_template.jinja")
  const text = existsSync(jinjaPath) ? readFileSync(jinjaPath, "utf8") : chosenTemplate(config.chat_template)
  if (text === undefined) return undefined

  const template = parse(dir, text)
  const variables = { bos_token: tokenText(config.bos_token), eos_token: tokenText(config.eos_token) }
  return {
    hasTools: text.includes("tools") && text.includes("<tool_call>"),
    render(messages, tools) {
      try {
        return template.render({
          ...variables,
          messages,
          ...(tools.length > 0 ? { tools } : {}),
          add_generation_prompt: true,
        })
      } catch (error) {
        throw new TextError(`the chat template refuses this conversation: ${(error as Error).message}`)
      }
    },
  }
}

/** A string, or a list of named ones of which `default` counts. */
function chosenTemplate(value: unknown): string | undefined {
  if (typeof value === "string") return value
  if (!Array.isArray(value)) return undefined
  const named = value as readonly { readonly name?: unknown; readonly template?: unknown }[]
  const chosen = named.find(({ name }) => name === "default") ?? named[0]
  return typeof chosen?.template === "string" ? chosen.template : undefined
}

/** A token's text: written as a string, or as an object with `content`. */
function tokenText(value: unknown): string {
  if (typeof value === "string") return value
  const { content } = (value ?? {}) as { readonly content?: unknown }
  return typeof content === "string" ? content : ""
}

function parse(dir: string, text: string): Template {
  try {
    return new Template(text)
  } catch (error) {
    throw new TextError(
      `${dir}: chat_template: expected a Jinja template, found what cannot be parsed: ${(error as Error).message}`,
    )
  }
}
