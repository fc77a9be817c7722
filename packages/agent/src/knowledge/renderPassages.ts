import type { Source } from "../tools/AgentTool.ts"
import type { Passage } from "./KnowledgeBase.ts"

/** Passages as a model reads them, and where each number leads. */
export interface RenderedPassages {
  readonly text: string
  /** `[1]` is the first. */
  readonly sources: readonly Source[]
}

/** Numbers passages from `[1]` on, for an answer to cite; passages of one place share a number. */
export function renderPassages(passages: readonly Passage[]): RenderedPassages {
  const sources: Source[] = []
  const blocks = passages.map(({ document, headings, text }) => {
    const title = [document, ...headings].join(" › ")
    if (!sources.some((source) => source.title === title)) sources.push({ title, location: document })
    return `[${sources.findIndex((source) => source.title === title) + 1}] ${title}\n${text}`
  })
  return { text: blocks.join("\n\n"), sources }
}
