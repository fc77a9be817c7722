/** 1.5 · 2⁵²: adding it leaves no bits for a fraction, so the addition itself rounds. */
const ROUNDER = 6755399441055744

/** Rounds to the nearest integer, half to even, for |x| < 2⁵¹: how machines round, where `Math.round` takes halves up. */
export function roundHalfEven(x: number): number {
  return x + ROUNDER - ROUNDER
}
