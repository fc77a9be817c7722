/** A worker thread that packs parts of a model beside the one that prepares it. */
import { openCheckpoint } from "../checkpoint/openCheckpoint.ts"
import { loadModelConfig } from "../families/loadModelConfig.ts"
import type { ModelFormats } from "./ModelFormats.ts"
import { createPartPacker, type PackTable } from "./packParts.ts"
import { planModel } from "./planModel.ts"
import { storedParts } from "./storedParts.ts"

/** What a worker is told at its start. */
export interface PackStart {
  readonly sourceDir: string
  readonly formats: ModelFormats
  /** Of the file to write, open in this process. */
  readonly handle: number
  readonly table: PackTable
}

declare const self: Worker

self.addEventListener("message", ({ data }: MessageEvent<PackStart>) => {
  const { sourceDir, formats, handle, table } = data
  try {
    const { family, config } = loadModelConfig(sourceDir)
    const checkpoint = openCheckpoint(sourceDir)
    try {
      const packer = createPartPacker(storedParts(planModel(checkpoint, family, config, formats)), handle, table)
      while (packer.packNext());
    } finally {
      // Files are the process's, not the thread's.
      checkpoint.close()
    }
  } catch {
    // What it could not do is done again by the thread that prepares, which then says why.
  }
  process.exit(0)
})
