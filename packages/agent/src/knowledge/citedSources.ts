import type { Source } from "../tools/AgentTool.ts"

/** `[1]`, `[1, 3]`, `[2-4]`, `【1】`; the parts of a markdown link (`[1](…)`) are none. */
const CITATION = /[[【]\s*(\d{1,3}(?:\s*[,，、;–-]\s*\d{1,3})*)\s*[\]】](?!\()/g

/** Returns the sources that an answer refers to by their numbers, `[1]` the first, in the order in which it does; numbers that there are none of are left out. */
export function citedSources(answer: string, sources: readonly Source[]): Source[] {
  const cited = new Set<Source>()
  for (const [, list] of answer.matchAll(CITATION))
    for (const number of numbersOf(list!)) {
      const source = sources[number - 1]
      if (source !== undefined) cited.add(source)
    }
  return [...cited]
}

function numbersOf(list: string): number[] {
  return list.split(/[,，、;]/).flatMap((part) => {
    const [first, last] = part.split(/[–-]/).map(Number) as [number, number?]
    return Array.from({ length: Math.max(0, (last ?? first) - first + 1) }, (_, i) => first + i)
  })
}
