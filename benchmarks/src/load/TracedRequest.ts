/** One request of a trace: when it arrives, what it brings and what it asks for. */
export interface TracedRequest {
  /** After the first one. */
  readonly arrivalMs: number
  readonly contextTokens: number
  readonly generatedTokens: number
}
