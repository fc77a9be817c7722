/** The experts of a model: one is named by its index `layer * numExperts + expertId`, where `layer` counts the layers that have experts. */
export interface ExpertGrid {
  readonly numLayers: number
  readonly numExperts: number
}

/**
 * Decides which awake expert is put to sleep when another needs its frame.
 *
 * It hears of every use, hit or miss, in the order of layers and steps, and of every expert that wakes or falls asleep. It allocates nothing after
 * its creation, and the same calls give the same victims.
 */
export interface EvictionPolicy {
  /** Notes that a step needs an expert; once for each expert and step. */
  touch(expert: number, step: number): void
  /** Notes that an expert holds a frame from now on. */
  woke(expert: number): void
  /** Notes that an expert holds none any more. */
  slept(expert: number): void
  /**
   * Returns the awake expert to put to sleep; -1 when none may be.
   *
   * @param layer the layer that runs now: it and those before it are needed again in the next step only
   */
  victim(layer: number, isEvictable: (expert: number) => boolean): number
}
