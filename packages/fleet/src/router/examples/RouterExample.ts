import type { RoutedRequest } from "../RequestRouter.ts"

/** A request and who was right about it. */
export interface RouterExample {
  readonly request: RoutedRequest
  /** `[E]`: 1 where the expert is right, 0 where not */
  readonly targets: Float32Array
}

/** Names those examples alike in which the same experts were right. */
export function stratumOf({ targets }: RouterExample): string {
  return targets.join()
}
