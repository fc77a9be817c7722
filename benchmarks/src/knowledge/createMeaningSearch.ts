import type { KnowledgeBase } from "@consilium/agent"
import type { Embedder } from "@consilium/fleet"
import type { createHandbooks } from "./createHandbooks.ts"

/**
 * Searches by meaning alone, the plainest way: every section by the cosine of its vector, less the mean of all.
 *
 * What a knowledge base adds to that is to be seen beside it.
 */
export async function createMeaningSearch(
  { pages }: ReturnType<typeof createHandbooks>,
  embedder: Pick<Embedder, "embed">,
): Promise<Pick<KnowledgeBase, "search">> {
  const sections = pages.flatMap(({ name: document, text }) => {
    const [head, ...parts] = text.split("\n## ")
    const name = head!.replace("# ", "").trim()
    return parts.map((part) => {
      const [title, ...body] = part.split("\n") as [string, ...string[]]
      return { document, headings: [name, title], text: body.join("\n").trim() }
    })
  })
  const vectors = await embedder.embed(sections.map(({ headings, text }) => [...headings, text].join("\n")))
  const mean = vectors[0]!.map((_, i) => vectors.reduce((sum, vector) => sum + vector[i]!, 0) / vectors.length)
  const centred = vectors.map((vector) => unit(vector, mean))
  return {
    async search(question, limit) {
      const asked = unit((await embedder.embed([question]))[0]!, mean)
      const scores = centred.map((vector) => vector.reduce((sum, value, i) => sum + value * asked[i]!, 0))
      const best = [...scores.keys()].sort((a, b) => scores[b]! - scores[a]!).slice(0, limit)
      return best.map((place) => ({ ...sections[place]!, id: place, score: scores[place]! }))
    },
  }
}

function unit(vector: Float32Array, mean: Float32Array): Float32Array {
  const moved = vector.map((value, i) => value - mean[i]!)
  const norm = Math.sqrt(moved.reduce((sum, value) => sum + value * value, 0))
  return moved.map((value) => value / norm)
}
