import type { Arena, ExpertShape, MatrixShape, Span } from "@consilium/kernels"
import type { ModelConfig } from "../ModelConfig.ts"
import type { ModelFormats } from "./ModelFormats.ts"

/** One slab of a prepared model's `slabs.bin`. */
export interface SlabEntry {
  /** Byte offset in the file, a multiple of 4096. */
  readonly offset: number
  readonly bytes: number
  /** xxHash3 (64 bits) of the bytes, 16 hexadecimal digits. */
  readonly checksum: string
  readonly shape: ({ readonly kind: "matrix" } & MatrixShape) | ({ readonly kind: "expert" } & ExpertShape)
}

/** A slab to read, and the span that takes it. */
interface SlabTarget {
  readonly entry: SlabEntry
  readonly span: Span
}

/** A matrix too large for one segment is split by rows. */
export interface SplitMatrix {
  readonly parts: readonly { readonly firstRow: number; readonly slab: SlabEntry }[]
}

export interface PreparedLayer {
  readonly attentionNorm: Float32Array
  /** `[(numHeads + 2 * numKvHeads) * headDim, H]`: q, k, v. */
  readonly qkv: SlabEntry
  readonly qNorm: Float32Array | undefined
  readonly kNorm: Float32Array | undefined
  readonly outProj: SlabEntry
  readonly feedForwardNorm: Float32Array
  /** Always f32, never quantised: `[E, H]`. Undefined in a dense layer. */
  readonly router: SlabEntry | undefined
  /** `numExperts` of them; a dense layer has one. */
  readonly experts: readonly SlabEntry[]
  readonly sharedExpert: SlabEntry | undefined
  /** `[H]`: its product with the hidden state, through a sigmoid, weighs the shared expert. */
  readonly sharedExpertGate: Float32Array | undefined
}

/** A checkpoint packed for one format: what the engine loads. Read-only; `close` releases the file. */
export interface PreparedModel extends ModelFormats {
  readonly dir: string
  /** The file that holds all slabs. */
  readonly slabsPath: string
  /** Directory of the checkpoint: tokenizer and template are read there. */
  readonly sourceDir: string
  readonly config: ModelConfig
  readonly embedding: SplitMatrix
  /** The same object as `embedding` where they are tied. */
  readonly head: SplitMatrix
  readonly finalNorm: Float32Array
  readonly layers: readonly PreparedLayer[]
  /** Reads one slab into `out` (of `entry.bytes`) and verifies it. @throws PreparedModelError on a short read or a wrong checksum, naming the slab */
  readSlab(out: Uint8Array, entry: SlabEntry): void
  /**
   * Reads many slabs into spans of their size and verifies them, on several threads where there is much to read.
   *
   * @param onSlab called now and then with the number of slabs that are read
   * @throws PreparedModelError as `readSlab`
   */
  readSlabs(arena: Arena, slabs: readonly SlabTarget[], onSlab: (numDone: number) => void): void
  close(): void
}
