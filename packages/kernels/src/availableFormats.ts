import type { Backend } from "./Backend.ts"
import type { Format } from "./SlabLayout.ts"

const FORMATS: readonly Format[] = ["f32", "int8", "int4"]

/**
 * Returns the formats that a backend can serve a model in.
 *
 * A model of a quantised format keeps its dense matrices in int8 and its router in f32, so `int4` needs all three.
 */
export function availableFormats(backend: Pick<Backend, "supports">): readonly Format[] {
  const hasMatrices = (format: Format): boolean =>
    backend.supports("matmul", format) && backend.supports("embed", format)
  return FORMATS.filter(
    (format) => backend.supports("expert", format) && hasMatrices("f32") && (format === "f32" || hasMatrices("int8")),
  )
}
