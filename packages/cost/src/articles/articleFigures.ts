/**
 * The cost tables of the two articles that this project answers, each figure recomputed from the article's own inputs with the functions of this package.
 *
 * What we have of the articles is a summary of their figures; where it gives a pair and no percentage, nothing is claimed about one.
 */
import { ARTICLE_A } from "./articleA.ts"
import { ARTICLE_B } from "./articleB.ts"
import type { ArticleFigure } from "./ArticleFigure.ts"

export const ARTICLE_FIGURES: readonly ArticleFigure[] = [...ARTICLE_A, ...ARTICLE_B]
