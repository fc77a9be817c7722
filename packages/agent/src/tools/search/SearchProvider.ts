export interface SearchResult {
  readonly title: string
  /** An address, or a path within the knowledge base. */
  readonly location: string
  readonly snippet: string
}

/** Finds pages or documents, wherever they are. */
export interface SearchProvider {
  /**
   * Returns at most `limit` results, best first.
   *
   * @throws ToolError (rejects) where it cannot be asked
   */
  readonly search: (query: string, limit: number, signal: AbortSignal) => Promise<readonly SearchResult[]>
}
