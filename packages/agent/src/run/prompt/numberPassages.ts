import type { Source, SourcedText } from "../../tools/AgentTool.ts"
import type { NumberedPassage } from "../RunState.ts"

/**
 * Gives passages the numbers that answers cite: places among the run's sources, from 1 on; passages of one place share theirs.
 *
 * @param sources takes in those that it has not yet
 */
export function numberPassages(sources: Source[], passages: readonly SourcedText[]): readonly NumberedPassage[] {
  return passages.map(({ title, location, text }) => {
    const source = { title, location }
    addSources(sources, [source])
    return { number: sources.findIndex((other) => isSame(other, source)) + 1, title, text }
  })
}

/** Adds sources that are not there yet, in place. */
export function addSources(sources: Source[], added: readonly Source[]): void {
  for (const source of added) if (!sources.some((other) => isSame(other, source))) sources.push(source)
}

function isSame(a: Source, b: Source): boolean {
  return a.title === b.title && a.location === b.location
}
