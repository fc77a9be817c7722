import { readdirSync, statSync } from "node:fs"
import { basename, dirname, join } from "node:path"

/** Memory of a session, as a multiple of its files: weights as they are, and as kernels want them. */
export const SESSION_SHARE = 2

/** Returns an ONNX file and those with its weights beside it: `model.onnx_data`, `model.onnx.data`. */
export function onnxFiles(path: string): string[] {
  const [dir, own] = [dirname(path), basename(path)]
  return readdirSync(dir)
    .filter((name) => name.startsWith(own))
    .map((name) => join(dir, name))
}

/** Returns the bytes of all of them. */
export function onnxModelBytes(path: string): number {
  return onnxFiles(path).reduce((sum, file) => sum + statSync(file).size, 0)
}
