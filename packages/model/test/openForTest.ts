import {
  type Arena,
  type Backend,
  bestIsa,
  createArena,
  createReferenceBackend,
  createX64Backend,
  type Format,
  runnableIsas,
} from "@consilium/kernels"
import { createOnnxBackend } from "@consilium/onnx"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type DenseFormat, openPreparedModel, prepareModel, type PreparedModel } from "../src/index.ts"

const ALL_BACKENDS = ["reference", "onnx", "x64"] as const
export type TestedBackend = (typeof ALL_BACKENDS)[number]

/** Those that run here. */
export const BACKENDS = ALL_BACKENDS.filter((name) => name !== "x64" || runnableIsas().length > 0)
if (!BACKENDS.includes("x64")) console.log("x64: skipped, this is no Linux on x64 with AVX2")

/** Runs `body` with a checkpoint prepared in a folder of its own, which is removed afterwards. */
export async function withPrepared<T>(
  sourceDir: string,
  format: Format,
  body: (prepared: PreparedModel) => T | Promise<T>,
  dense: DenseFormat = "int8",
): Promise<T> {
  const cacheDir = mkdtempSync(join(tmpdir(), "consilium-test-"))
  try {
    const dir = await prepareModel({ sourceDir, format, dense, cacheDir, onProgress: () => {} })
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
export function withBackend<T>(name: TestedBackend, body: (backend: Backend) => T): T {
  const arena = createArena({})
  const backend = create(name, arena)
  try {
    return body(backend)
  } finally {
    backend.close()
    arena.close()
  }
}

function create(name: TestedBackend, arena: Arena): Backend {
  if (name === "onnx") return createOnnxBackend(arena, { numThreads: 2 })
  return name === "x64" ? createX64Backend(arena, { isa: bestIsa(), numThreads: 2 }) : createReferenceBackend(arena)
}
