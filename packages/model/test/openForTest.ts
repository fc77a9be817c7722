import { createArena, createReferenceBackend, type Backend, type Format } from "@consilium/kernels"
import { createOnnxBackend } from "@consilium/onnx"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { openPreparedModel, prepareModel, type PreparedModel } from "../src/index.ts"

export const BACKENDS = ["reference", "onnx"] as const

/** Runs `body` with a checkpoint prepared in a folder of its own, which is removed afterwards. */
export async function withPrepared<T>(
  sourceDir: string,
  format: Format,
  body: (prepared: PreparedModel) => T | Promise<T>,
): Promise<T> {
  const cacheDir = mkdtempSync(join(tmpdir(), "consilium-test-"))
  try {
    const dir = await prepareModel({ sourceDir, format, cacheDir, onProgress: () => {} })
    const prepared = openPreparedModel(dir, sourceDir)
    try {
      return await body(prepared)
    } finally {
      prepared.close()
    }
  } finally {
    rmSync(cacheDir, { recursive: true, force: true })
  }
}

/** Runs `body` with a backend on an arena of its own. */
export function withBackend<T>(name: (typeof BACKENDS)[number], body: (backend: Backend) => T): T {
  const arena = createArena({})
  const backend = name === "onnx" ? createOnnxBackend(arena, { numThreads: 2 }) : createReferenceBackend(arena)
  try {
    return body(backend)
  } finally {
    backend.close()
    arena.close()
  }
}
