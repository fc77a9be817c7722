import type { ExpertSource, MoeOptions } from "@consilium/experts"
import type { Routing } from "@consilium/gating"
import type { StepBatch } from "./StepBatch.ts"

/** The experts of a model, held by somebody who wakes and puts to sleep, watches and replaces them. */
export interface ModelExperts {
  /** A layer's source; asked once. */
  source(layer: number): ExpertSource
  /** Is told of a batch before its layers run. */
  beginStep?(batch: StepBatch): void
  /** What a layer's route is told in this step: who is not available, above all. */
  options(layer: number): MoeOptions
  /** Is shown how a layer has been routed, and by which logits `[T, E]`: views of scratch. */
  observeRouting?(layer: number, routing: Routing, logits: Float32Array): void
  /** Whether it helps to know ahead what a layer will need for a step of so many rows: some of its experts sleep. */
  wantsForesight(layer: number, numRows: number): boolean
  /** Is told what a layer is likely to need, `[T * K]` ids, by its router on the hidden state that the layer before sees. */
  foresee(layer: number, expertIds: Int32Array, count: number): void
}
