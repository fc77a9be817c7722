import { RouterError } from "../RouterError.ts"
import type { Embedder } from "./Embedder.ts"

/** An endpoint that speaks OpenAI's `/v1/embeddings`. */
export interface EmbeddingEndpoint {
  /** Up to `/v1`: `https://host/v1`. */
  readonly baseUrl: string
  readonly model: string
  readonly apiKey?: string
  /** `D`, as the model has it. */
  readonly size: number
  readonly timeoutMs: number
}

/** Embeds texts at an OpenAI-compatible endpoint. @throws RouterError (rejects) when it does not answer in time, or not with what was asked */
export function createRemoteEmbedder(endpoint: EmbeddingEndpoint): Pick<Embedder, "embed"> {
  const { baseUrl, model, apiKey, size, timeoutMs } = endpoint
  const url = `${baseUrl.replace(/\/$/, "")}/embeddings`
  return {
    async embed(texts) {
      if (texts.length === 0) return []
      let body: unknown
      try {
        const response = await fetch(url, {
          method: "POST",
          headers: {
            "content-type": "application/json",
            ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
          },
          body: JSON.stringify({ model, input: texts, encoding_format: "float" }),
          signal: AbortSignal.timeout(timeoutMs),
        })
        if (!response.ok) throw new RouterError(`${url}: expected embeddings, found status ${response.status}`)
        body = await response.json()
      } catch (error) {
        if (error instanceof RouterError) throw error
        const isLate = (error as Error).name === "TimeoutError"
        const found = isLate ? `none in ${timeoutMs} ms` : (error as Error).message
        throw new RouterError(`${url}: expected embeddings, found ${found}`)
      }
      return readEmbeddings(body, texts.length, size, url)
    },
  }
}

function readEmbeddings(body: unknown, count: number, size: number, url: string): Float32Array[] {
  const { data } = (body ?? {}) as { readonly data?: unknown }
  if (!Array.isArray(data) || data.length !== count)
    throw new RouterError(`${url}: expected ${count} embeddings, found ${Array.isArray(data) ? data.length : "none"}`)
  const found: Float32Array[] = []
  for (const [i, one] of data.entries()) {
    const { embedding, index = i } = (one ?? {}) as { readonly embedding?: unknown; readonly index?: unknown }
    const isVector = Array.isArray(embedding) && embedding.length === size && embedding.every(Number.isFinite)
    const isPlace = typeof index === "number" && Number.isInteger(index) && index >= 0 && index < count
    if (!isVector || !isPlace || found[index] !== undefined)
      throw new RouterError(`${url}: embedding ${i}: expected ${size} finite numbers and its own index, found others`)
    found[index] = Float32Array.from(embedding)
  }
  return found
}
