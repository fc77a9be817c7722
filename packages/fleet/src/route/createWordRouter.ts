import type { ExpertConfig } from "../config/FleetConfig.ts"
import { isUnspaced, wordsOf } from "../router/features/hashGrams.ts"
import type { RequestRouter } from "../router/RequestRouter.ts"

/** Words that begin with the same letters are one: what an ending says is not what a request is about. */
const STEM = 6

/**
 * Routes by the words that a request shares with the experts' domains, descriptions and examples: what there is before a router is trained.
 *
 * A score is the cosine of the two texts' words, each worth more the fewer experts have it: a request that has nothing in common with any scores 0.
 */
export function createWordRouter(
  experts: readonly Pick<ExpertConfig, "name" | "domain" | "description" | "examples">[],
): RequestRouter {
  const texts = experts.map(({ domain, description, examples }) => countWords([domain, description, ...examples]))
  const weightOf = (word: string): number =>
    Math.log((1 + experts.length) / (1 + texts.filter((words) => words.has(word)).length)) + 0.1
  const weights = new Map(
    [...new Set(texts.flatMap((words) => [...words.keys()]))].map((word) => [word, weightOf(word)]),
  )
  const lengthOf = (words: ReadonlyMap<string, number>): number =>
    Math.sqrt([...words].reduce((sum, [word, count]) => sum + (count * (weights.get(word) ?? 0)) ** 2, 0))
  const lengths = texts.map(lengthOf)

  return {
    experts: experts.map(({ name }) => name),
    score({ text }) {
      const words = countWords([text])
      const length = lengthOf(words)
      return Float32Array.from(texts, (own, e) => {
        if (length === 0 || lengths[e] === 0) return 0
        let sum = 0
        for (const [word, count] of words) sum += count * (own.get(word) ?? 0) * (weights.get(word) ?? 0) ** 2
        return sum / (length * lengths[e]!)
      })
    },
  }
}

/** Words and how often they stand there, to a root: saying it twice is not meaning it twice. Scripts without spaces count by pairs of characters. */
function countWords(texts: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  const add = (word: string): void => void counts.set(word, (counts.get(word) ?? 0) + 1)
  for (const text of texts) {
    let before = ""
    for (const word of wordsOf(text)) {
      const isCharacter = isUnspaced(word)
      if (!isCharacter) add(word.slice(0, STEM))
      else if (before !== "") add(before + word)
      before = isCharacter ? word : ""
    }
  }
  for (const [word, count] of counts) counts.set(word, Math.sqrt(count))
  return counts
}
