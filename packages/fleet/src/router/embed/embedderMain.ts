/** A process that embeds texts: computing one never holds up the service, and what it takes down is itself. */
import { createArena } from "@consilium/kernels"
import { chooseBackend } from "@consilium/serving"
import { answerQuestions } from "../../process/answerQuestions.ts"
import type { TextEmbedder } from "./Embedder.ts"
import { openLocalEmbedder } from "./openLocalEmbedder.ts"
import { openOnnxEmbedder } from "./openOnnxEmbedder.ts"

/** What the process is started with, as JSON in its first argument. */
export type EmbedderStart =
  | { readonly kind: "local"; readonly preparedDir: string; readonly sourceDir: string }
  | { readonly kind: "onnx"; readonly path: string }

/** Texts to embed; none asks for the size alone. */
export interface EmbedderQuestion {
  readonly texts: readonly string[]
}

export interface EmbedderAnswer {
  readonly size: number
  readonly vectors: readonly Float32Array[]
}

async function open(start: EmbedderStart): Promise<TextEmbedder> {
  if (start.kind === "onnx") return openOnnxEmbedder(start.path)
  const arena = createArena({})
  const { backend } = await chooseBackend(arena, { backend: "auto", numThreads: 1 })
  return openLocalEmbedder(start.preparedDir, start.sourceDir, backend)
}

const opened = await open(JSON.parse(process.argv[2]!) as EmbedderStart).catch((error: unknown) => error as Error)

answerQuestions(({ texts }: EmbedderQuestion): EmbedderAnswer => {
  // Whoever asks is told what is wrong with the model, as often as it asks.
  if (opened instanceof Error) throw opened
  return { size: opened.size, vectors: texts.map(opened.embed) }
})
