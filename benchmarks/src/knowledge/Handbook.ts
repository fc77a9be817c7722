/** A matter that a handbook treats for each of its things, and what people ask about it. `{name}` and its like are filled in. */
interface HandbookTopic {
  readonly title: string
  /** Two ways in which an author puts it. */
  readonly passages: readonly [string, string]
  /** Asked with words of the passage. */
  readonly asked: readonly string[]
  /** Asked with other words than the passage has. */
  readonly reworded: readonly string[]
}

/** A house with a handbook for each thing: its things are called by two lists of words. */
export interface Handbook {
  readonly folder: string
  readonly first: readonly string[]
  readonly second: readonly string[]
  /** Stands between the two words of a name. */
  readonly between: string
  readonly topics: readonly HandbookTopic[]
}
