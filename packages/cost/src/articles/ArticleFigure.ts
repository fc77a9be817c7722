/** Which article a figure is from: A, "Apache Doris"; B, "HOS". */
type Article = "A" | "B"

/** A figure of an article, and what its own inputs give. */
export interface ArticleFigure {
  readonly article: Article
  readonly claim: string
  readonly unit: string
  /** As the article has it; a range where it gives one. Undefined: it is no number, or none is given. */
  readonly stated: number | readonly [number, number] | undefined
  /** From the article's own inputs. Undefined: they do not suffice. */
  readonly recomputed: number | undefined
  /** The sum, so that a reader can do it by hand. */
  readonly arithmetic: string
  readonly note: string
  /** What of ours is shown beside it. */
  readonly ours?: OurFigure
}

/** Figures of ours that an article's can be held against; `apps/bench` finds them in the records. */
export type OurFigure = "decode-saving" | "concurrency" | "resident-memory" | "hit-rate" | "energy" | "usd-per-million"

export type Verdict = "holds" | "fails" | "not comparable"

/** Differences that rounding in the article explains. */
const TOLERANCE = 0.01

/** Returns whether a figure follows from its article's own inputs. */
export function judgeFigure({ stated, recomputed }: ArticleFigure): Verdict {
  if (stated === undefined || recomputed === undefined) return "not comparable"
  const [low, high] = typeof stated === "number" ? [stated, stated] : stated
  return recomputed >= low * (1 - TOLERANCE) && recomputed <= high * (1 + TOLERANCE) ? "holds" : "fails"
}

/** Neither article says its rate; article A's own ¥0.017 for $0.0024 means about this. */
export const YUAN_PER_USD = 7.1

/** Returns by how many per cent `after` is below `before`. */
export function saving(before: number, after: number): number {
  return (1 - after / before) * 100
}
