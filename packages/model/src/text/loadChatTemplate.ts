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
 * Loads the chat template of a checkpoint: chat_template.jinja, chat_template.json, or the one in tokenizer_config.json. Undefined where
 * there is none. Of several named ones `tool_use` serves conversations with tools, `default` the others.
 *
 * @throws TextError on a template that cannot be parsed
 */
export function loadChatTemplate(dir: string): ChatTemplate | undefined {
  const read = (name: string): Readonly<Record<string, unknown>> =>
    existsSync(join(dir, name)) ? readJsonObject(join(dir, name)) : {}
  const config = read("tokenizer_config.json")
  const jinjaPath = join(dir, "chat_template.jinja")
  const source = existsSync(jinjaPath)
    ? readFileSync(jinjaPath, "utf8")
    : (read("chat_template.json").chat_template ?? config.chat_template)
  const text = namedTemplate(source, "default")
  if (text === undefined) return undefined
  const toolText = namedTemplate(source, "tool_use") ?? text

  const template = parse(dir, text)
  const toolTemplate = toolText === text ? template : parse(dir, toolText)
  const variables = { bos_token: tokenText(config.bos_token), eos_token: tokenText(config.eos_token) }
  return {
    hasTools: toolText.includes("tools") && toolText.includes("<tool_call>"),
    render(messages, tools) {
      const hasTools = tools.length > 0
      try {
        return (hasTools ? toolTemplate : template).render({
          ...variables,
          messages,
          ...(hasTools ? { tools } : {}),
          add_generation_prompt: true,
        })
      } catch (error) {
        throw new TextError(`the chat template refuses this conversation: ${(error as Error).message}`)
      }
    },
  }
}

/** The template of a name: a string is `default`, a list holds named ones, and where `default` is missing the first stands for it. */
function namedTemplate(value: unknown, wanted: "default" | "tool_use"): string | undefined {
  if (typeof value === "string") return wanted === "default" ? value : undefined
  if (!Array.isArray(value)) return undefined
  const named = value as readonly ({ readonly name?: unknown; readonly template?: unknown } | null)[]
  const chosen = named.find((item) => item?.name === wanted) ?? (wanted === "default" ? named[0] : undefined)
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
