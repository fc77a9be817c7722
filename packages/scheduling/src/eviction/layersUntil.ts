/** Returns how many layers run before `layer` can be needed again, while layer `now` runs: 1 for the next one, all of them for itself. */
export function layersUntil(layer: number, now: number, numLayers: number): number {
  return layer > now ? layer - now : layer - now + numLayers
}
