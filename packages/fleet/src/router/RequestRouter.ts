/** What a router is told of a request. */
export interface RoutedRequest {
  readonly text: string
  readonly numImages: number
  readonly hasTools: boolean
  readonly numTokens?: number
}

/** Scores requests for experts: any router of the request scale. */
export interface RequestRouter {
  readonly experts: readonly string[]
  /** Returns a score for each of `experts`; higher is better. */
  score(request: RoutedRequest): Float32Array
}
