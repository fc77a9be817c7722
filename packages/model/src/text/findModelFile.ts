import { existsSync } from "node:fs"
import { dirname, join } from "node:path"

/** Returns where a file of a model lies: beside its ONNX file, or in the folder above, as hubs lay them out (`onnx/model.onnx`); undefined where it is in neither. */
export function findModelFile(onnxPath: string, name: string): string | undefined {
  const dir = dirname(onnxPath)
  return [join(dir, name), join(dir, "..", name)].find((path) => existsSync(path))
}
