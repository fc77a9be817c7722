import { join } from "node:path"
import { runnableBackends } from "../src/createBackend.ts"

/** What a service of the embedded model is started with in tests: 8 bits, on the fastest backend that runs here. */
export function miniOptions(cacheDir: string, numThreads: number) {
  const root = join(import.meta.dir, "../..")
  const backend = runnableBackends().includes("x64") ? "x64" : "onnx"
  return { root, modelDir: join(root, "models/consilium-mini"), cacheDir, format: "int8", backend, numThreads } as const
}
