import type { SourcedText } from "../tools/AgentTool.ts"
import type { Passage } from "./KnowledgeBase.ts"

/** Returns a passage as answers cite it: by its document and the headings above it. */
export function sourcedText({ document, headings, text }: Passage): SourcedText {
  return { title: [document, ...headings].join(" › "), location: document, text }
}
