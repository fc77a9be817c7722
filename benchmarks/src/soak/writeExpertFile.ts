import { openCheckpoint, writeSafetensors } from "@consilium/model"

/** Writes the projections of a checkpoint's expert to a file of their own, as an operator brings another version. */
export function writeExpertFile(modelDir: string, path: string, layer: number, expert: number): void {
  const checkpoint = openCheckpoint(modelDir)
  const tensors = ["gate_proj", "up_proj", "down_proj"].map((part) => {
    const stored = `model.layers.${layer}.mlp.experts.${expert}.${part}.weight`
    const shape = checkpoint.shape(stored)
    return { name: `${part}.weight`, shape: [...shape], values: checkpoint.readTensor(stored, shape) }
  })
  checkpoint.close()
  writeSafetensors(path, tensors)
}
