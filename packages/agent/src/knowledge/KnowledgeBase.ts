/** A piece of a document, as a search finds it. */
export interface Passage {
  readonly id: number
  /** The document's name: a path within its folder, or what its owner called it. */
  readonly document: string
  /** The headings above it, outermost first. */
  readonly headings: readonly string[]
  readonly text: string
  /** Higher is nearer; comparable within one search only. */
  readonly score: number
}

/** Documents, cut into passages that can be searched by words and by meaning. */
export interface KnowledgeBase {
  /** Returns the passages nearest to a question, best first. */
  readonly search: (question: string, limit: number) => Promise<readonly Passage[]>
  readonly numPassages: number
}
