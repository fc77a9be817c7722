import type { RouterExample } from "../examples/RouterExample.ts"
import { hashText } from "../features/hashGrams.ts"
import type { RouterWeights } from "../learned/RouterWeights.ts"

/** Returns the examples whose texts a router was not trained on: only these say how good it is. */
export function unseenBy<Example extends RouterExample>(
  { seen, features }: RouterWeights,
  examples: readonly Example[],
): Example[] {
  const known = new Set(seen)
  return examples.filter(({ request }) => !known.has(hashText(request.text, features.seed)))
}
