import { readInto, readSpans } from "@consilium/kernels"
import { closeSync, fstatSync, openSync, readFileSync, utimesSync } from "node:fs"
import { availableParallelism } from "node:os"
import { join } from "node:path"
import { loadModelConfig } from "../families/loadModelConfig.ts"
import { checksumOf, checksumText, MANIFEST_FILE, type ManifestPart, parseManifest, SLABS_FILE } from "./Manifest.ts"
import type { LayerRecipe, ModelRecipe, SlabRecipe, TensorReader, VectorRecipe } from "./planModel.ts"
import { planModel } from "./planModel.ts"
import type { PreparedLayer, PreparedModel, SlabEntry, SplitMatrix } from "./PreparedModel.ts"
import { PreparedModelError } from "./PreparedModelError.ts"
import { storedParts } from "./storedParts.ts"

/** Threads that read: more than these wait for memory, or the disk. */
const MAX_READERS = 4

const NO_READER: TensorReader = {
  check: () => {},
  readTensor: () => {
    throw new Error("a prepared model reads no checkpoint")
  },
  readRows: () => {
    throw new Error("a prepared model reads no checkpoint")
  },
}

/**
 * Opens a prepared model and reads its vectors; slabs are read one by one as they are wanted.
 *
 * @param sourceDir the checkpoint it was made from: its config says what the parts are
 * @throws PreparedModelError on a manifest that is damaged or does not fit, or a vector with a wrong checksum
 */
export function openPreparedModel(dir: string, sourceDir: string): PreparedModel {
  const manifestPath = join(dir, MANIFEST_FILE)
  const slabsPath = join(dir, SLABS_FILE)
  const { format, denseFormat, parts } = parseManifest(manifestPath, readText(manifestPath))
  const { family, config } = loadModelConfig(sourceDir)
  const recipe = planModel(NO_READER, family, config, { format, denseFormat })
  const expected = storedParts(recipe)
  if (parts.length !== expected.length) {
    throw new PreparedModelError(
      `${manifestPath}: expected ${expected.length} parts for this checkpoint, found ${parts.length}`,
    )
  }

  const handle = openFile(slabsPath)
  const fileBytes = fstatSync(handle).size
  const names = new Map<number, string>()
  expected.forEach(({ name, bytes }, i) => {
    const part = parts[i]!
    if (part.bytes !== bytes || part.offset + bytes > fileBytes) {
      closeSync(handle)
      throw new PreparedModelError(
        `${slabsPath}: ${name}: expected ${bytes} bytes within the file's ${fileBytes}, found ${part.bytes} at ${part.offset}`,
      )
    }
    names.set(part.offset, name)
  })

  const verify = (part: ManifestPart, numBytes: number, foundChecksum: bigint): void => {
    const { offset, bytes, checksum } = part
    const found = checksumText(foundChecksum)
    if (numBytes < bytes)
      throw new PreparedModelError(`${slabsPath}: ${names.get(offset)}: expected ${bytes} bytes, found ${numBytes}`)
    if (found === checksum) return
    throw new PreparedModelError(
      `${slabsPath}: ${names.get(offset)}: expected checksum ${checksum}, found ${found}: remove ${dir} and start again`,
    )
  }
  const read = (out: Uint8Array, part: ManifestPart): void => {
    const bytes = out.subarray(0, part.bytes)
    verify(part, readInto(handle, bytes, part.offset), checksumOf(bytes))
  }
  const readSlabs: PreparedModel["readSlabs"] = (arena, slabs, onSlab) => {
    const runs = slabs.map(({ entry, span }) => ({ span, offset: entry.offset }))
    const results = readSpans(arena, handle, runs, Math.min(MAX_READERS, availableParallelism()), onSlab)
    results.forEach(({ numBytes, checksum }, i) => verify(slabs[i]!.entry, numBytes, checksum))
  }

  // Parts come in the order of `storedParts`, which is the order in which these take them.
  let next = 0
  const slab = ({ shape }: SlabRecipe): SlabEntry => ({ ...parts[next++]!, shape })
  const vector = ({ length }: VectorRecipe): Float32Array => {
    const values = new Float32Array(length)
    read(new Uint8Array(values.buffer), parts[next++]!)
    return values
  }
  const split = (matrix: ModelRecipe["embedding"]): SplitMatrix => ({
    parts: matrix.map(({ firstRow, slab: of }) => ({ firstRow, slab: slab(of) })),
  })
  const layer = (of: LayerRecipe): PreparedLayer => {
    const attentionNorm = vector(of.attentionNorm)
    const feedForwardNorm = vector(of.feedForwardNorm)
    const qNorm = of.qNorm && vector(of.qNorm)
    const kNorm = of.kNorm && vector(of.kNorm)
    const sharedExpertGate = of.sharedExpertGate && vector(of.sharedExpertGate)
    const qkv = slab(of.qkv)
    const outProj = slab(of.outProj)
    const router = of.router && slab(of.router)
    const sharedExpert = of.sharedExpert && slab(of.sharedExpert)
    const experts = of.experts.map(slab)
    return {
      attentionNorm,
      feedForwardNorm,
      qNorm,
      kNorm,
      sharedExpertGate,
      qkv,
      outProj,
      router,
      sharedExpert,
      experts,
    }
  }

  try {
    const embedding = split(recipe.embedding)
    const layers = recipe.layers.map(layer)
    const finalNorm = vector(recipe.finalNorm)
    const head = recipe.head === undefined ? embedding : split(recipe.head)
    touch(manifestPath)
    return {
      dir,
      slabsPath,
      sourceDir,
      format,
      denseFormat,
      config,
      embedding,
      head,
      finalNorm,
      layers,
      readSlab: read,
      readSlabs,
      close: () => closeSync(handle),
    }
  } catch (error) {
    closeSync(handle)
    throw error
  }
}

/** Marks the model as used, for `cache prune`; a cache that cannot be written to is still read. */
function touch(path: string): void {
  const now = new Date()
  try {
    utimesSync(path, now, now)
  } catch {
    // Read-only caches keep their old time.
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8")
  } catch (error) {
    throw new PreparedModelError(
      `${path}: expected a readable manifest, found ${(error as NodeJS.ErrnoException).code}`,
    )
  }
}

function openFile(path: string): number {
  try {
    return openSync(path, "r")
  } catch (error) {
    throw new PreparedModelError(`${path}: expected a readable file, found ${(error as NodeJS.ErrnoException).code}`)
  }
}
