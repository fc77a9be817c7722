import {
  type Activation,
  type ExpertShape,
  type Format,
  type MatrixShape,
  packExpertSlab,
  packMatrixSlab,
  planExpertSlab,
  planMatrixSlab,
} from "@consilium/kernels"
import type { Checkpoint } from "../checkpoint/openCheckpoint.ts"
import type { Family, LayerNames, ProjectionNames } from "../families/Family.ts"
import type { AttentionConfig, ModelConfig } from "../ModelConfig.ts"
import type { ModelFormats } from "./ModelFormats.ts"
import type { SlabEntry } from "./PreparedModel.ts"

/** Bytes beyond which a vocabulary matrix is split by rows: half of a segment. */
const MAX_PART_BYTES = 2 ** 30
/** The same for the f32 that it is packed from, which is in memory meanwhile. */
const MAX_SOURCE_BYTES = 2 ** 31

/** Where weights come from; nothing is read before a slab is packed. */
export type TensorReader = Pick<Checkpoint, "check" | "readTensor" | "readRows">

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

/** Everything that a prepared model holds, in the order in which it is read at start. Nothing is read before `pack`, but everything is there. */
export interface ModelRecipe {
  readonly embedding: readonly { readonly firstRow: number; readonly slab: SlabRecipe }[]
  /** Undefined where the head is the embedding. */
  readonly head: readonly { readonly firstRow: number; readonly slab: SlabRecipe }[] | undefined
  readonly finalNorm: VectorRecipe
  readonly layers: readonly LayerRecipe[]
}

/**
 * Plans how a checkpoint becomes slabs; routers are always f32.
 *
 * @throws CheckpointError on the first tensor that is missing, or of another shape or type than the config demands
 */
export function planModel(
  checkpoint: TensorReader,
  family: Family,
  config: ModelConfig,
  { format, denseFormat }: ModelFormats,
): ModelRecipe {
  const { hiddenSize, vocabSize } = config
  const tensor = (name: string, shape: readonly number[]): (() => Float32Array) => {
    checkpoint.check(name, shape)
    return () => checkpoint.readTensor(name, shape)
  }
  const vector = (name: string, length: number, shape: readonly number[] = [length]): VectorRecipe => ({
    length,
    read: tensor(name, shape),
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
    const most = Math.min(MAX_PART_BYTES / rowBytes, MAX_SOURCE_BYTES / (4 * hiddenSize))
    const rowsPerPart = Math.floor(most / 32) * 32
    checkpoint.check(name, [vocabSize, hiddenSize])
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
    of: { format: Format; activation: Activation; hasBias: boolean },
  ): SlabRecipe => {
    const shape: ExpertShape = { ...of, hiddenSize, intermediateSize, hasGateProj: true }
    const layout = planExpertSlab(shape)
    const inner = [intermediateSize, hiddenSize] as const
    const gateProj = tensor(names.gateProj, inner)
    const upProj = tensor(names.upProj, inner)
    const downProj = tensor(names.downProj, [hiddenSize, intermediateSize])
    const biases = of.hasBias && {
      gateBias: tensor(biasOf(names.gateProj), [intermediateSize]),
      upBias: tensor(biasOf(names.upProj), [intermediateSize]),
      downBias: tensor(biasOf(names.downProj), [hiddenSize]),
    }
    return {
      shape: { kind: "expert", ...shape },
      bytes: layout.bytes,
      pack: (out) =>
        packExpertSlab(out, layout, {
          gateProj: gateProj(),
          upProj: upProj(),
          downProj: downProj(),
          ...(biases && { gateBias: biases.gateBias(), upBias: biases.upBias(), downBias: biases.downBias() }),
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
    const { activation } = feedForward
    const qkvRows = width + 2 * attention.numKvHeads * headDim
    return {
      attentionNorm: vector(names.attentionNorm, hiddenSize),
      feedForwardNorm: vector(names.feedForwardNorm, hiddenSize),
      qNorm: hasNorm ? vector(names.qNorm, normLength(numHeads)) : undefined,
      kNorm: hasNorm ? vector(names.kNorm, normLength(attention.numKvHeads)) : undefined,
      sharedExpertGate: shared?.hasGate ? vector(names.sharedExpertGate, hiddenSize, [1, hiddenSize]) : undefined,
      qkv: matrix(
        { format: denseFormat, numRows: qkvRows, numColumns: hiddenSize, hasBias: hasQkvBias },
        fused(checkpoint, qkvNames(names, attention), [hiddenSize]),
        hasQkvBias ? fused(checkpoint, qkvNames(names, attention, biasOf), []) : undefined,
      ),
      outProj: matrix(
        { format: denseFormat, numRows: hiddenSize, numColumns: width, hasBias: hasOutBias },
        tensor(names.outProj, [hiddenSize, width]),
        hasOutBias ? tensor(biasOf(names.outProj), [hiddenSize]) : undefined,
      ),
      router:
        feedForward.kind === "moe"
          ? matrix(
              { format: "f32", numRows: feedForward.numExperts, numColumns: hiddenSize, hasBias: false },
              tensor(names.router, [feedForward.numExperts, hiddenSize]),
            )
          : undefined,
      experts:
        feedForward.kind === "dense"
          ? [expert(names.dense, feedForward.intermediateSize, { format, activation, hasBias: feedForward.hasBias })]
          : Array.from({ length: feedForward.numExperts }, (_, e) =>
              expert(names.expert(e), feedForward.expertIntermediateSize, { format, activation, hasBias: false }),
            ),
      sharedExpert:
        shared &&
        expert(names.sharedExpert, shared.intermediateSize, { format: denseFormat, activation, hasBias: false }),
    }
  })

  return {
    embedding: vocabulary(family.embedding),
    head: config.isTied ? undefined : vocabulary(family.head),
    finalNorm: vector(family.finalNorm, hiddenSize),
    layers,
  }
}

/** A tensor of a fused one, and its share of the rows. */
interface FusedPart {
  readonly name: string
  readonly numRows: number
}

function qkvNames(
  names: LayerNames,
  attention: AttentionConfig,
  rename = (name: string) => name,
): readonly FusedPart[] {
  const { numHeads, numKvHeads, headDim } = attention
  return [
    { name: rename(names.qProj), numRows: numHeads * headDim },
    { name: rename(names.kProj), numRows: numKvHeads * headDim },
    { name: rename(names.vProj), numRows: numKvHeads * headDim },
  ]
}

/** Returns what reads tensors below each other, as one. @throws CheckpointError as `planModel` */
function fused(checkpoint: TensorReader, parts: readonly FusedPart[], rowShape: readonly number[]): () => Float32Array {
  for (const { name, numRows } of parts) checkpoint.check(name, [numRows, ...rowShape])
  const rowLength = rowShape.reduce((product, size) => product * size, 1)
  return () => {
    const out = new Float32Array(parts.reduce((sum, { numRows }) => sum + numRows, 0) * rowLength)
    let row = 0
    for (const { name, numRows } of parts) {
      checkpoint.readTensor(name, [numRows, ...rowShape], out.subarray(row * rowLength))
      row += numRows
    }
    return out
  }
}

function biasOf(weight: string): string {
  return weight.replace(/\.weight$/, ".bias")
}
