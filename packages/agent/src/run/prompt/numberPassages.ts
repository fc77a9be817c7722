import type { Passage } from "../../knowledge/KnowledgeBase.ts"
import type { Source } from "../../tools/AgentTool.ts"
import type { NumberedPassage } from "../RunState.ts"

/** Gives passages the numbers that answers cite: places in `sources`, from 1 on; passages of one place share theirs. */
export function numberPassages(passages: readonly Passage[]): {
  readonly passages: readonly NumberedPassage[]
  readonly sources: readonly Source[]
} {
  const sources: Source[] = []
  const numbered = passages.map(({ document, headings, text }) => {
    const source = { title: [document, ...headings].join(" › "), location: document }
    addSources(sources, [source])
    return { number: sources.findIndex((other) => isSame(other, source)) + 1, title: source.title, text }
  })
  return { passages: numbered, sources }
}

/** Adds sources that are not there yet, in place. */
export function addSources(sources: Source[], added: readonly Source[]): void {
  for (const source of added) if (!sources.some((other) => isSame(other, source))) sources.push(source)
}

function isSame(a: Source, b: Source): boolean {
  return a.title === b.title && a.location === b.location
}
