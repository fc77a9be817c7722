import type { LayerRecipe, ModelRecipe, SlabRecipe, VectorRecipe } from "./planModel.ts"

/** One run of bytes in `slabs.bin`. */
export interface StoredPart {
  /** Its place in the model, for messages: `layer 3 expert 5`. */
  readonly name: string
  readonly bytes: number
  /** Fills `bytes` zeroed bytes. */
  write(out: Uint8Array): void
}

/** Lists everything that a prepared model stores, in the file's order: a pure function of the model's shape. */
export function storedParts(recipe: ModelRecipe): StoredPart[] {
  const vocabulary = (name: string, parts: ModelRecipe["embedding"]): StoredPart[] =>
    parts.map(({ slab }, i) => ofSlab(`${name} part ${i}`, slab))
  return [
    ...vocabulary("embedding", recipe.embedding),
    ...recipe.layers.flatMap((layer, l) => ofLayer(`layer ${l}`, layer)),
    ofVector("final norm", recipe.finalNorm),
    ...(recipe.head === undefined ? [] : vocabulary("head", recipe.head)),
  ]
}

function ofLayer(name: string, layer: LayerRecipe): StoredPart[] {
  const vectors = ["attentionNorm", "feedForwardNorm", "qNorm", "kNorm", "sharedExpertGate"] as const
  const slabs = ["qkv", "outProj", "router", "sharedExpert"] as const
  return [
    ...vectors.flatMap((key) => (layer[key] === undefined ? [] : [ofVector(`${name} ${key}`, layer[key])])),
    ...slabs.flatMap((key) => (layer[key] === undefined ? [] : [ofSlab(`${name} ${key}`, layer[key])])),
    ...layer.experts.map((expert, e) => ofSlab(`${name} expert ${e}`, expert)),
  ]
}

function ofSlab(name: string, { bytes, pack }: SlabRecipe): StoredPart {
  return { name, bytes, write: pack }
}

function ofVector(name: string, { length, read }: VectorRecipe): StoredPart {
  const write = (out: Uint8Array): void => new Float32Array(out.buffer, out.byteOffset, length).set(read())
  return { name, bytes: length * 4, write }
}
