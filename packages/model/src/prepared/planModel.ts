import {
  type ExpertShape,
  type Format,
  type MatrixShape,
  packExpertSlab,
  packMatrixSlab,
  planExpertSlab,
  planMatrixSlab,
} from "@consilium/kernels"
import type { Checkpoint } from "../checkpoint/openCheckpoint.ts"
import type { Family, ProjectionNames } from "../families/Family.ts"
import type { AttentionConfig, ModelConfig } from "../ModelConfig.ts"
import type { SlabEntry } from "./PreparedModel.ts"

/** Bytes beyond which a vocabulary matrix is split by rows: half of the smallest segment. */
const MAX_PART_BYTES = 2 ** 30

/** Where weights come from; nothing is read before a slab is packed. */
export type TensorReader = Pick<Checkpoint, "readTensor" | "readRows">

/** One slab to write: its shape, and how to fill its bytes. */
export interface SlabRecipe {
  readonly shape: SlabEntry["shape"]
  readonly bytes: number
  pack(out: Uint8Array): void
}

/** A vector kept in f32. */
export interface VectorRecipe {
  readonly length: number
  read(): Float32Array
}

/** A layer's slabs and vectors. */
export interface LayerRecipe {
  readonly attentionNorm: VectorRecipe
  readonly feedForwardNorm: VectorRecipe
  readonly qNorm: VectorRecipe | undefined
  readonly kNorm: VectorRecipe | undefined
  readonly sharedExpertGate: VectorRecipe | undefined
  readonly qkv: SlabRecipe
  readonly outProj: SlabRecipe
  readonly router: SlabRecipe | undefined
  readonly experts: readonly SlabRecipe[]
  readonly sharedExpert: SlabRecipe | undefined
}

/** Everything that a prepared model holds, in the order in which it is read at start. Nothing is read before `pack`. */
export interface ModelRecipe {
  readonly embedding: readonly { readonly firstRow: number; readonly slab: SlabRecipe }[]
  /** Undefined where the head is the embedding. */
  readonly head: readonly { readonly firstRow: number; readonly slab: SlabRecipe }[] | undefined
  readonly finalNorm: VectorRecipe
  readonly layers: readonly LayerRecipe[]
}

/** Plans how a checkpoint becomes slabs of `format`: with `int4`, experts in 4 bits and the dense parts in 8; routers always f32. */
export function planModel(checkpoint: TensorReader, family: Family, config: ModelConfig, format: Format): ModelRecipe {
  const { hiddenSize, vocabSize } = config
  const denseFormat = format === "int4" ? "int8" : format
  const vector = (name: string, length: number, shape: readonly number[] = [length]): VectorRecipe => ({
    length,
    read: () => checkpoint.readTensor(name, shape),
  })

  const matrix = (shape: MatrixShape, weights: () => Float32Array, bias?: () => Float32Array): SlabRecipe => {
    const layout = planMatrixSlab(shape)
    return {
      shape: { kind: "matrix", ...shape },
      bytes: layout.bytes,
      pack: (out) => packMatrixSlab(out, layout, weights(), bias?.()),
    }
  }

  const vocabulary = (name: string): { firstRow: number; slab: SlabRecipe }[] => {
    const rowBytes =
      planMatrixSlab({ format: denseFormat, numRows: 32, numColumns: hiddenSize, hasBias: false }).bytes / 32
    const rowsPerPart = Math.floor(MAX_PART_BYTES / rowBytes / 32) * 32
    const numParts = Math.ceil(vocabSize / rowsPerPart)
    return Array.from({ length: numParts }, (_, part) => {
      const firstRow = part * rowsPerPart
      const numRows = Math.min(rowsPerPart, vocabSize - firstRow)
      const shape = { format: denseFormat, numRows, numColumns: hiddenSize, hasBias: false }
      return {
        firstRow,
        slab: matrix(shape, () => checkpoint.readRows(name, [vocabSize, hiddenSize], firstRow, numRows)),
      }
    })
  }

  const expert = (
    names: ProjectionNames,
    intermediateSize: number,
    of: { format: Format; hasBias: boolean },
  ): SlabRecipe => {
    const shape: ExpertShape = { ...of, hiddenSize, intermediateSize, activation: "silu", hasGateProj: true }
    const layout = planExpertSlab(shape)
    const inner = [intermediateSize, hiddenSize] as const
    const bias = (name: string, length: number): Float32Array => checkpoint.readTensor(biasOf(name), [length])
    return {
      shape: { kind: "expert", ...shape },
      bytes: layout.bytes,
      pack: (out) =>
        packExpertSlab(out, layout, {
          gateProj: checkpoint.readTensor(names.gateProj, inner),
          upProj: checkpoint.readTensor(names.upProj, inner),
          downProj: checkpoint.readTensor(names.downProj, [hiddenSize, intermediateSize]),
          ...(of.hasBias && {
            gateBias: bias(names.gateProj, intermediateSize),
            upBias: bias(names.upProj, intermediateSize),
            downBias: bias(names.downProj, hiddenSize),
          }),
        }),
    }
  }

  const layers = config.layers.map(({ attention, feedForward }, l): LayerRecipe => {
    const names = family.layer(l)
    const { numHeads, headDim, hasOutBias, qkNorm, hasQkvBias } = attention
    const width = numHeads * headDim
    const normLength = (heads: number): number => (qkNorm === "head" ? headDim : heads * headDim)
    const hasNorm = qkNorm !== "none"
    const shared = feedForward.kind === "moe" ? feedForward.sharedExpert : undefined
    const qkvRows = width + 2 * attention.numKvHeads * headDim
    return {
      attentionNorm: vector(names.attentionNorm, hiddenSize),
      feedForwardNorm: vector(names.feedForwardNorm, hiddenSize),
      qNorm: hasNorm ? vector(names.qNorm, normLength(numHeads)) : undefined,
      kNorm: hasNorm ? vector(names.kNorm, normLength(attention.numKvHeads)) : undefined,
      sharedExpertGate: shared?.hasGate ? vector(names.sharedExpertGate, hiddenSize, [1, hiddenSize]) : undefined,
      qkv: matrix(
        { format: denseFormat, numRows: qkvRows, numColumns: hiddenSize, hasBias: hasQkvBias },
        () => readQkv(checkpoint, names, attention, hiddenSize),
        hasQkvBias ? () => readQkvBias(checkpoint, names, attention) : undefined,
      ),
      outProj: matrix(
        { format: denseFormat, numRows: hiddenSize, numColumns: width, hasBias: hasOutBias },
        () => checkpoint.readTensor(names.outProj, [hiddenSize, width]),
        hasOutBias ? vector(biasOf(names.outProj), hiddenSize).read : undefined,
      ),
      router:
        feedForward.kind === "moe"
          ? matrix({ format: "f32", numRows: feedForward.numExperts, numColumns: hiddenSize, hasBias: false }, () =>
              checkpoint.readTensor(names.router, [feedForward.numExperts, hiddenSize]),
            )
          : undefined,
      experts:
        feedForward.kind === "dense"
          ? [expert(names.dense, feedForward.intermediateSize, { format, hasBias: feedForward.hasBias })]
          : Array.from({ length: feedForward.numExperts }, (_, e) =>
              expert(names.expert(e), feedForward.expertIntermediateSize, { format, hasBias: false }),
            ),
      sharedExpert:
        shared && expert(names.sharedExpert, shared.intermediateSize, { format: denseFormat, hasBias: false }),
    }
  })

  return {
    embedding: vocabulary(family.embedding),
    head: config.isTied ? undefined : vocabulary(family.head),
    finalNorm: vector(family.finalNorm, hiddenSize),
    layers,
  }
}

type QkvNames = { readonly qProj: string; readonly kProj: string; readonly vProj: string }

/** q, k and v below each other: `[(numHeads + 2 * numKvHeads) * headDim, H]`. */
function readQkv(
  checkpoint: TensorReader,
  names: QkvNames,
  attention: AttentionConfig,
  hiddenSize: number,
): Float32Array {
  const [q, kv] = [attention.numHeads * attention.headDim, attention.numKvHeads * attention.headDim]
  const out = new Float32Array((q + 2 * kv) * hiddenSize)
  checkpoint.readTensor(names.qProj, [q, hiddenSize], out)
  checkpoint.readTensor(names.kProj, [kv, hiddenSize], out.subarray(q * hiddenSize))
  checkpoint.readTensor(names.vProj, [kv, hiddenSize], out.subarray((q + kv) * hiddenSize))
  return out
}

function readQkvBias(checkpoint: TensorReader, names: QkvNames, attention: AttentionConfig): Float32Array {
  const [q, kv] = [attention.numHeads * attention.headDim, attention.numKvHeads * attention.headDim]
  const out = new Float32Array(q + 2 * kv)
  checkpoint.readTensor(biasOf(names.qProj), [q], out)
  checkpoint.readTensor(biasOf(names.kProj), [kv], out.subarray(q))
  checkpoint.readTensor(biasOf(names.vProj), [kv], out.subarray(q + kv))
  return out
}

function biasOf(weight: string): string {
  return weight.replace(/\.weight$/, ".bias")
}
