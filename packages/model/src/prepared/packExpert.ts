import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import { openWeightsFile } from "../checkpoint/openCheckpoint.ts"
import { loadModelConfig } from "../families/loadModelConfig.ts"
import { checksumOf, checksumText } from "./Manifest.ts"
import type { ModelFormats } from "./ModelFormats.ts"
import { alignPart } from "./packParts.ts"
import { planModel, type TensorReader } from "./planModel.ts"
import { expertVersion, versionPath } from "./expertVersions.ts"

/** An expert to pack from a file of its own. */
export interface PackExpertOptions {
  /** The checkpoint of the model that it belongs to. */
  readonly sourceDir: string
  readonly preparedDir: string
  readonly formats: ModelFormats
  /** A safetensors file with the expert's projections, under the checkpoint's names or the last two parts of them. */
  readonly source: string
  readonly layer: number
  readonly expert: number
}

/**
 * Packs another version of an expert beside a prepared model, and returns its name.
 *
 * The same weights have the same name. Takes some 26 ns a weight: not for a thread that has other things to do.
 *
 * @throws CheckpointError on a file that lacks a tensor, or has one of another shape or with numbers that are not finite; RangeError where there is no such expert
 */
export function packExpert(options: PackExpertOptions): string {
  const { sourceDir, preparedDir, formats, source, layer, expert } = options
  const { family, config } = loadModelConfig(sourceDir)
  const file = openWeightsFile(source)
  try {
    const local = (name: string): string => (file.has(name) ? name : name.split(".").slice(-2).join("."))
    const reader: TensorReader = {
      // The plan asks for all tensors of the model; those of this expert are looked at when they are read.
      check: () => {},
      readTensor: (name, shape, out) => file.readTensor(local(name), shape, out),
      readRows: () => {
        throw new Error("an expert has no vocabulary")
      },
    }
    const slab = planModel(reader, family, config, formats).layers[layer]?.experts[expert]
    if (slab === undefined) throw new RangeError(`layer ${layer} expert ${expert}: the model has no such expert`)
    const bytes = new Uint8Array(alignPart(slab.bytes))
    slab.pack(bytes)
    const version = expertVersion({ layer, expert, checksum: checksumText(checksumOf(bytes.subarray(0, slab.bytes))) })
    writeWhole(versionPath(preparedDir, version), bytes)
    return version
  } finally {
    file.close()
  }
}

/** Writes a file whole, or not at all. */
function writeWhole(path: string, bytes: Uint8Array): void {
  // Two requests may bring the same version at once.
  const draft = `${path}.${crypto.randomUUID()}.draft`
  try {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(draft, bytes)
    renameSync(draft, path)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  }
}
