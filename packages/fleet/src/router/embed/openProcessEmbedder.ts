import { join } from "node:path"
import { createAskedProcess, ProcessError } from "../../process/createAskedProcess.ts"
import { RouterError } from "../RouterError.ts"
import type { EmbedderAnswer, EmbedderQuestion, EmbedderStart } from "./embedderMain.ts"

const MAIN = join(import.meta.dir, "embedderMain.ts")
/** It embeds a text in milliseconds, and loads a model in seconds. */
const TIMEOUT_MS = 60_000

/** Vectors out of a process of its own. */
interface ProcessEmbedder {
  readonly size: number
  embed(texts: readonly string[]): Promise<Float32Array[]>
  close(): Promise<void>
}

/**
 * Starts a process that embeds texts, and waits until it can.
 *
 * @param source names it, for errors
 * @throws RouterError on a model that it cannot load
 */
export async function openProcessEmbedder(start: EmbedderStart, source: string): Promise<ProcessEmbedder> {
  const asked = createAskedProcess({ main: MAIN, args: [JSON.stringify(start)], timeoutMs: TIMEOUT_MS })
  const ask = async (question: EmbedderQuestion): Promise<EmbedderAnswer> => {
    try {
      return (await asked.ask(question)) as EmbedderAnswer
    } catch (error) {
      if (!(error instanceof ProcessError)) throw error
      throw new RouterError(`${source}: expected embeddings, found none: ${error.message}`)
    }
  }
  try {
    const { size } = await ask({ texts: [] })
    return {
      size,
      async embed(texts) {
        const { vectors } = await ask({ texts })
        if (vectors.every((vector) => vector.length === size && vector.every(Number.isFinite))) return [...vectors]
        throw new RouterError(`${source}: expected ${size} finite numbers for each text, found others`)
      },
      close: asked.end,
    }
  } catch (error) {
    await asked.end()
    throw error
  }
}
