import type { RouterExample } from "../examples/RouterExample.ts"
import type { Embedder } from "./Embedder.ts"

/** Texts of one question to the embedder. */
const BATCH = 64

/** Returns the examples with their embeddings. @throws RouterError (rejects) as the embedder does */
export async function embedExamples(
  examples: readonly RouterExample[],
  embedder: Embedder,
  onProgress: (done: number) => void,
): Promise<RouterExample[]> {
  const embedded: RouterExample[] = []
  for (let first = 0; first < examples.length; first += BATCH) {
    const batch = examples.slice(first, first + BATCH)
    const vectors = await embedder.embed(batch.map(({ request }) => request.text))
    embedded.push(
      ...batch.map((example, i) => ({ ...example, request: { ...example.request, embedding: vectors[i]! } })),
    )
    onProgress(embedded.length)
  }
  return embedded
}
