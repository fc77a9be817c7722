import type { Format } from "@consilium/kernels"
import { type DenseFormat, loadModelConfig, modelFormats, preparedDir, prepareModel } from "@consilium/model"
import { renameSync, rmSync, statfsSync } from "node:fs"
import { totalmem } from "node:os"
import { join } from "node:path"
import { planBytes, removeWeights, writeCheckpoint, writeConfig } from "./writeCheckpoint.ts"
import type { ModelShape } from "./parseShape.ts"
import type { Skew } from "./routerRowScales.ts"
import { ggufBytes, writeGguf } from "./writeGguf.ts"

/** Between two words on how far it is: without a terminal, each is a line. */
const PROGRESS_MS = 2000

const CURE = "take a smaller --format, or fewer layers (--shape …,num_hidden_layers=4)"

/** A shape's twins on disk: what an engine of ours loads, and what llama.cpp does. */
export interface GeneratedModel {
  /** Has config.json and a tokenizer; weights no more. */
  readonly sourceDir: string
  readonly preparedDir: string
  /** Undefined unless asked for. */
  readonly ggufPath: string | undefined
}

export interface GenerateModelOptions {
  readonly shape: ModelShape
  readonly skew: Skew
  readonly seed: number
  readonly format: Format
  readonly dense: DenseFormat
  readonly withGguf: boolean
  readonly signal: AbortSignal
  readonly report: (line: string) => void
}

/**
 * Generates a shape into `dir`, one format at a time: checkpoint, its prepared form, then, the checkpoint's weights removed, GGUF.
 *
 * @param dir a new directory, removed again if this throws
 * @throws Error where memory or disk are too small, before weights are written; the signal's reason when it is aborted
 */
export async function generateModel(dir: string, options: GenerateModelOptions): Promise<GeneratedModel> {
  const { shape, skew, seed, format, dense, withGguf, signal, report } = options
  const common = { skew, seed, signal }
  const sourceDir = join(dir, shape.name)
  const onProgress = (what: string): ((doneBytes: number, totalBytes: number) => void) => {
    let toldMs = Number.NEGATIVE_INFINITY
    return (doneBytes, totalBytes) => {
      if (performance.now() - toldMs < PROGRESS_MS) return
      toldMs = performance.now()
      report(`${what} ${shape.name}: ${gigabytes(doneBytes)} of ${gigabytes(totalBytes)}`)
    }
  }
  try {
    writeConfig(sourceDir, shape)
    checkSize(dir, sourceDir, options)
    await writeCheckpoint(sourceDir, shape, { ...common, onProgress: onProgress("generating") })
    const place = { sourceDir, format, dense, cacheDir: join(dir, "prepared") }
    const packedDir = await prepareModel({ ...place, onProgress: onProgress("preparing"), signal })
    removeWeights(sourceDir)
    // A service looks for what is prepared of the files that there are now.
    const foundDir = preparedDir(place)
    renameSync(packedDir, foundDir)
    if (!withGguf) return { sourceDir, preparedDir: foundDir, ggufPath: undefined }
    const ggufPath = join(dir, `${shape.name}.gguf`)
    await writeGguf(ggufPath, sourceDir, { ...common, onProgress: onProgress("generating GGUF of") })
    return { sourceDir, preparedDir: foundDir, ggufPath }
  } catch (error) {
    rmSync(dir, { recursive: true, force: true })
    throw error
  }
}

/** @throws Error where the model does not fit in memory, or what is on disk at one time not on the disk */
function checkSize(dir: string, sourceDir: string, { shape, format, dense, withGguf }: GenerateModelOptions): void {
  const { checkpoint, prepared } = planBytes(sourceDir, modelFormats(format, dense))
  if (prepared > totalmem())
    throw new Error(
      `${shape.name} as ${format}: expected at most ${gigabytes(totalmem())}, this machine's memory, found ${gigabytes(prepared)}: ${CURE}`,
    )
  const gguf = withGguf ? ggufBytes(loadModelConfig(sourceDir).config) : 0
  const neededBytes = prepared + Math.max(checkpoint, gguf)
  const { bavail, bsize } = statfsSync(dir)
  if (neededBytes > bavail * bsize)
    throw new Error(
      `${dir}: expected ${gigabytes(neededBytes)} free, found ${gigabytes(bavail * bsize)}: set TMPDIR to a larger disk, ${CURE}`,
    )
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`
}
