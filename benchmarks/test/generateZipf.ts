import { generateModel, type GeneratedModel } from "../src/generate/generateModel.ts"
import { parseShape } from "../src/generate/parseShape.ts"

/** Generates a model of 8-bit weights in `dir`, for a service: a few of its experts get most tokens. */
export function generateZipf(dir: string, shape: string, seed: number): Promise<GeneratedModel> {
  return generateModel(dir, {
    shape: parseShape(shape),
    skew: "zipf",
    seed,
    format: "int8",
    dense: "int8",
    withGguf: false,
    signal: new AbortController().signal,
    report: () => {},
  })
}
