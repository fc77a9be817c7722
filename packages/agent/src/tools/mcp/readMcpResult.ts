import type { CallToolResult, ContentBlock } from "@modelcontextprotocol/sdk/types.js"
import { type Source, ToolError, type ToolResult } from "../AgentTool.ts"

/** Characters; the run cuts results further, by tokens. */
const MOST_TEXT = 65_536
const MOST_ERROR = 500

/**
 * Returns what a model reads of a server's result: texts, and what there is besides them by name.
 *
 * @throws ToolError where the server says that the tool failed
 */
export function readMcpResult(result: CallToolResult): ToolResult {
  const text = cut(textOf(result), MOST_TEXT)
  if (result.isError === true) throw new ToolError(text.slice(0, MOST_ERROR) || "the tool failed and did not say why")
  const sources = result.content.flatMap(sourceOf)
  return { text: text === "" ? "done" : text, ...(sources.length === 0 ? {} : { sources }) }
}

function textOf({ content, structuredContent }: CallToolResult): string {
  if (content.length === 0 && structuredContent !== undefined) return JSON.stringify(structuredContent)
  return content.map(describe).join("\n").trim()
}

function describe(block: ContentBlock): string {
  switch (block.type) {
    case "text":
      return block.text
    case "image":
    case "audio":
      return `(${block.type}, ${block.mimeType}, not shown)`
    case "resource_link":
      return `${block.title ?? block.name}: ${block.uri}`
    case "resource":
      return "text" in block.resource ? block.resource.text : `(${block.resource.uri}, not shown)`
  }
}

function sourceOf(block: ContentBlock): readonly Source[] {
  if (block.type === "resource_link") return [{ title: block.title ?? block.name, location: block.uri }]
  if (block.type === "resource") return [{ title: block.resource.uri, location: block.resource.uri }]
  return []
}

function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most)}\n(${text.length - most} more characters)`
}
