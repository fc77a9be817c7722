import type { Arena, CacheRows, Rows, Span } from "./Arena.ts"
import type { CacheFormat } from "./cacheFormat.ts"
import type { Format, SlabLayout } from "./SlabLayout.ts"

export type BackendName = "reference" | "onnx" | "x64" | "gpu"
export type Op =
  | "embed"
  | "matmul"
  | "expert"
  | "experts"
  | "routedExperts"
  | "combine"
  | "attend"
  | "norm"
  | "addScaled"
  | "copyRows"
  | "shortlist"

/** What every backend has, or leaves to the next: `experts` and what follows are asked of those that have them. */
export const PLAIN_OPS: ReadonlySet<Op> = new Set(["embed", "matmul", "expert", "attend", "norm", "addScaled"])

/** A slab that a backend has made ready to compute with. */
export interface Slab {
  readonly backend: BackendName
  readonly layout: SlabLayout
  /** False when the backend keeps its own form of the weights: the span may then be freed at once. */
  readonly readsArena: boolean
}

/** Cosines and sines `[contextLength, rotaryDim / 2]` of the rotary embedding; attention scaling is multiplied in. */
export interface RopeTable {
  readonly cos: Float32Array
  readonly sin: Float32Array
  readonly rotaryDim: number
  /** Pairs are (2i, 2i+1) rather than (i, i + rotaryDim/2). */
  readonly isInterleaved: boolean
}

/** Everything `attend` needs to know of a layer, frozen at load. */
export interface AttentionLayer {
  readonly numHeads: number
  readonly numKvHeads: number
  readonly headDim: number
  /** Multiplies q·k; 1/√headDim unless the family says otherwise. */
  readonly scale: number
  readonly rope: RopeTable | undefined
  /** A query sees itself and the `slidingWindow - 1` positions before it; `Infinity` is full attention. */
  readonly slidingWindow: number
  /** RMS norm of q and k before rope: over each head (`[headDim]`) or over the whole projection (`[numHeads * headDim]`, OLMoE). */
  readonly qkNorm:
    | {
        readonly over: "head" | "projection"
        readonly q: Float32Array
        readonly k: Float32Array
        readonly epsilon: number
      }
    | undefined
}

/**
 * One slot's rows in this step, and its keys and values of this layer.
 *
 * `keys` and `values` are `[numKvHeads, capacity, headDim]`, of one format: `numKvHeads * capacity` rows of width `headDim`.
 */
export interface SlotRows {
  readonly firstRow: number
  readonly numRows: number
  /** Positions already in the cache: row `firstRow + i` is position `pastLength + i`. */
  readonly pastLength: number
  readonly capacity: number
  readonly keys: CacheRows
  readonly values: CacheRows
}

/**
 * How tokens' rows are shared out among slabs, and their outputs summed. In CSR form: slab e runs rows `offsets[e] .. offsets[e + 1]`.
 *
 * An assignment is one (token, rank) pair, `t * topK + k`.
 */
export interface ExpertRows {
  readonly numTokens: number
  readonly topK: number
  /** `[A]` the assignment of each row. */
  readonly order: Int32Array
  /** `[E + 1]` */
  readonly offsets: Int32Array
  /** `[T * K]` the row of each assignment, -1 where it has none. */
  readonly rows: Int32Array
  /** `[T * K]` */
  readonly weights: Float32Array
}

/** A layer of experts whose router the backend runs too: the best k by logits, weighed by their scores. @see TopKRouterConfig in gating */
export interface RoutedLayer {
  /** A matrix `[E, H]`. */
  readonly router: Slab
  /** `[E]` of one layout, all there. */
  readonly slabs: readonly Slab[]
  readonly topK: number
  readonly score: "softmax" | "sigmoid"
  readonly normalizesWeights: boolean
  readonly normEpsilon: number
  readonly scale: number
  /** Divides the logits where they become weights. */
  readonly temperature: number
  /** An expert that all rows visit, weighed by sigmoid(gate · x) where it has a gate `[H]`. */
  readonly sharedExpert: { readonly slab: Slab; readonly gate: Float32Array | undefined } | undefined
}

/**
 * Synchronous arithmetic on slabs: when a call returns, its result lies in the arena.
 *
 * Except between `beginStep` and `endStep` of a backend that has them: there rows stay where the backend computes. Whoever looks at `values` asks by `read` and `sync`
 * first; whoever writes them says so by `wrote`.
 *
 * Widths of rows are the logical sizes (hiddenSize, …); what padding a format wants is the backend's affair. `out` never aliases `x`.
 * A row's result does not depend on its neighbours beyond the rounding of the backend's own products.
 */
export interface Backend {
  readonly name: BackendName
  readonly arena: Arena
  /** What keys and values `attend` reads, the one it likes best first. */
  readonly cacheFormats: readonly CacheFormat[]
  /** Whether `op` can run on slabs of `format`. */
  supports(op: Op, format: Format): boolean
  /** Makes a packed slab ready. @throws Error when the layout is not supported or does not fit the span */
  openSlab(span: Span, layout: SlabLayout): Slab
  /** Bytes that a slab holds: arena (while `readsArena`) and native memory together. */
  numBytes(slab: Slab): number
  closeSlab(slab: Slab): void
  /** Writes row `ids[i]` of a matrix slab to row `i` of `out [numIds, numColumns]`, dequantised. */
  embed(out: Rows, ids: Int32Array, numIds: number, slab: Slab): void
  /** `out[t] = W · x[t] (+ bias)` for a matrix slab, rows `0 .. numRows`. */
  matmul(out: Rows, x: Rows, numRows: number, slab: Slab): void
  /** `out[t] = FFN(x[t])` for an expert slab, rows `firstRow .. firstRow + numRows` of both. */
  expert(out: Rows, x: Rows, firstRow: number, numRows: number, slab: Slab): void
  /**
   * Many experts of a layer in one call: `outputs[row] = FFN_e(x[token of row])`, rows `[A, H]` as the plan has them. Only where `supports("experts", …)`.
   *
   * @param slabs `[E]`; experts that are not among them, or have no rows, leave their rows as they are
   */
  experts?(outputs: Rows, x: Rows, plan: ExpertRows, slabs: readonly (Slab | undefined)[]): void
  /** `out[t] = Σ_k weights[t, k] · outputs[row of (t, k)]`, summed in order of rank. Only where `supports("experts", …)`. */
  combine?(out: Rows, outputs: Rows, plan: ExpertRows): void
  /**
   * q/k norm, rope, cache append and causal attention of each slot's rows.
   *
   * @param out `[T, numHeads * headDim]`
   * @param qkv `[T, (numHeads + 2 * numKvHeads) * headDim]`: q, then k, then v; overwritten by norm and rope
   */
  attend(out: Rows, qkv: Rows, slots: readonly SlotRows[], layer: AttentionLayer): void
  /** RMS norm: `out[t] = x[t] / rms(x[t]) * weight`. `out` may be `x`. */
  norm(out: Rows, x: Rows, numRows: number, weight: Float32Array, epsilon: number): void
  /** `out[t] += factors[t] * x[t]`; without factors they are 1 (the residual). */
  addScaled(out: Rows, x: Rows, numRows: number, factors?: Float32Array): void
  /**
   * A whole layer: `out[t] = Σ_k w[t, k] · FFN_id[t, k](x[t])`, and the shared expert. Only where `supports("routedExperts", …)`.
   *
   * @param routing `[T, 3K]`: ids, weights, and the norms of the experts' outputs before they are weighed
   * @param logits  `[T, E]`
   */
  routedExperts?(out: Rows, routing: Rows, logits: Rows, x: Rows, numRows: number, layer: RoutedLayer): void
  /** Whether `routedExperts` can run this layer now: all of it lies where it would run. Absent where it always does. */
  holdsLayer?(layer: RoutedLayer): boolean
  /** Copies rows of one matrix, or cache, to another of the same width and format. Only where `supports("copyRows", …)`. */
  copyRows?(to: CacheRows, toRow: number, from: CacheRows, fromRow: number, numRows: number): void
  /** `out[t]` = the N largest of `logits[t]`, ties to the lower index, then their N indices: `out` is `[T, 2N]`. Only where `supports("shortlist", …)`. */
  shortlist?(out: Rows, logits: Rows, numRows: number): void
  /** Begins a step: from now on results may stay where the backend computes. One that was not ended is forgotten. */
  beginStep?(): void
  /** Asks for the first rows to lie in the arena after the next `sync`, as they then are. Absent, like all of these, where results always do. */
  read?(rows: Rows, numRows: number): void
  /** Begins to carry out what was called so far, and does not wait for it: the next `sync` does. Others may write the arena meanwhile, but for what was asked for. */
  submit?(): void
  /** Has everything carried out that was called so far. @throws StateLostError, and what any of the calls would have thrown */
  sync?(): void
  /** Says that others have written `values` in the arena, once they had asked for what they left as it was. */
  wrote?(rows: Rows): void
  /** Ends a step, as `sync` does; what lies in the arena counts again, except of keys and values: these stay until others write them. */
  endStep?(): void
  /** Returns the milliseconds that its kernels have run so far; absent where it does not count them. */
  kernelMs?(): number
  /** Ends one of its threads between two calls, as a fault that it must bear; false where it has none of its own. */
  endHost?(): boolean
  /** Closes all slabs and native resources, not the arena. */
  close(): void
}
