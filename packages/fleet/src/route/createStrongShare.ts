import { hashText } from "../router/features/hashGrams.ts"

/** Shares requests out between a strong and a cheap expert, so that the strong one gets a wanted part of them: those that want it most. */
export interface StrongShare {
  /**
   * Returns whether this request is the strong one's, and remembers its margin.
   *
   * @param margin how much more the strong one is worth to it, in any unit
   * @param share wanted, 0 to 1
   */
  takes(margin: number, share: number, text: string): boolean
}

/** Requests that are remembered. */
const WINDOW = 512
/** Before so many, a margin says little about its rank: the request's own hash decides with it. */
const WARM_UP = 32
const HASH_SEED = 1

/**
 * The threshold is the margin's rank among the latest requests, whatever the router's scale: a share of 0.3 takes the top 30 %.
 *
 * Equal margins are told apart by a hash of the text, so that a router that knows no difference still yields the share, and the same text the same choice.
 *
 * @see RouteLLM, arXiv:2406.18665 §3: a threshold calibrated to a share of calls
 */
export function createStrongShare(): StrongShare {
  const margins: number[] = []
  let next = 0
  return {
    takes(margin, share, text) {
      const draw = hashText(text, HASH_SEED) / 2 ** 32
      let below = 0
      let equal = 0
      for (const other of margins) {
        if (other < margin) below++
        else if (other === margin) equal++
      }
      const known = margins.length
      const weight = Math.min(1, known / WARM_UP)
      const rank = known === 0 ? draw : weight * ((below + draw * equal) / known) + (1 - weight) * draw
      margins[next] = margin
      next = (next + 1) % WINDOW
      return share >= 1 || rank > 1 - share
    },
  }
}
