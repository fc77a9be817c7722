/** What a router sees of a request. */
export interface RoutedRequest {
  /** What the user says now: the last of the messages. */
  readonly text: string
  readonly numImages: number
  readonly hasTools: boolean
  readonly numTokens?: number
  /** `[D]`, what an `Embedder` made of the text: for routers that want one. */
  readonly embedding?: Float32Array
}

/** What a router was read from. */
export interface RouterFile {
  readonly path: string
  /** Of its bytes, as `sha256sum` writes it. */
  readonly sha256: string
}

/** Scores requests for experts. */
export interface RequestRouter {
  readonly experts: readonly string[]
  /** `D` where requests must carry an embedding; absent where they need none. */
  readonly embeddingSize?: number
  /** Absent where it was never one. */
  readonly file?: RouterFile
  /** Scores all experts for a request, `[E]` in the order of `experts`, each in 0..1; higher is better. */
  score(request: RoutedRequest): Float32Array
  /** Says in a line why the best one is; takes as long as some thirty scores. */
  explain?(request: RoutedRequest): string
}

/** Kinds of task that a router can tell apart by the request's form. */
export const NUM_TASKS = 3

/** Returns a request's task type: plain text, with tools, with images. */
export function taskOf({ hasTools, numImages }: Pick<RoutedRequest, "hasTools" | "numImages">): number {
  if (numImages > 0) return 2
  return hasTools ? 1 : 0
}
