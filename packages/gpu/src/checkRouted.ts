import { checkWidths, matrixOf, type RoutedLayer, type Rows } from "@consilium/kernels"
import { expertOf } from "./expertOf.ts"

/** Throws unless rows are as wide as the layer wants them. */
export function checkRouted(
  out: Rows,
  routing: Rows,
  logits: Rows,
  x: Rows,
  { router, slabs, topK }: RoutedLayer,
): void {
  const { upProj, downProj } = expertOf(slabs[0]!)
  checkWidths("routedExperts", logits, slabs.length, x, matrixOf(router).numColumns)
  checkWidths("routedExperts", out, downProj.numRows, x, upProj.numColumns)
  if (routing.width !== 3 * topK)
    throw new Error(`routedExperts: routing is ${routing.width} wide, topK ${topK} wants ${3 * topK}`)
}
