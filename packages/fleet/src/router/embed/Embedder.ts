/** Which embedder made vectors: those of another one mean something else. Kept in a router's file. */
export interface EmbedderMark {
  readonly kind: "local" | "onnx" | "remote"
  /** As whoever set it up names it; of a remote one that is all that is known. */
  readonly model: string
  /** Of the files that it was read from; absent of a remote one. */
  readonly content?: string
  /** What it puts before each text: models that know several tasks want to hear which. */
  readonly task: string
  /** `D` */
  readonly size: number
}

/** Turns texts into vectors that are near where the texts mean alike. */
export interface Embedder {
  readonly mark: EmbedderMark
  /** Returns a vector `[D]` for each text, in their order. @throws RouterError (rejects) where it cannot now */
  embed(texts: readonly string[]): Promise<Float32Array[]>
  close(): Promise<void>
}

/** Embeds texts in the caller's thread. */
export interface TextEmbedder {
  /** `D` */
  readonly size: number
  embed(text: string): Float32Array
  close(): void
}

/** Whether two embedders give the same vectors: by content where it is known, whatever each is called. */
export function isSameEmbedder(a: EmbedderMark, b: EmbedderMark): boolean {
  if (a.kind !== b.kind || a.task !== b.task || a.size !== b.size) return false
  return a.kind === "remote" ? a.model === b.model : a.content === b.content
}

/** Says which one it is, for errors and operators. */
export function describeEmbedder({ kind, model, content, task, size }: EmbedderMark): string {
  const files = content === undefined ? "" : `, content ${content}`
  return `${kind} ${model} (size ${size}${files}${task === "" ? "" : `, task ${JSON.stringify(task)}`})`
}
