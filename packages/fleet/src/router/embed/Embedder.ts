/** Turns texts into vectors that are near where the texts mean alike. */
export interface Embedder {
  /** `D` */
  readonly size: number
  /** Returns a vector `[D]` for each text, in their order. */
  embed(texts: readonly string[]): Promise<Float32Array[]>
}
