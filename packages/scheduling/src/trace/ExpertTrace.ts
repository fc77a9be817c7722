/** What a recording is of. */
export interface TraceHeader {
  /** Whose routing it is, and how it came about: for people. */
  readonly model: string
  /** Layers that have experts, in the order of the model: others are not recorded. */
  readonly numLayers: number
  readonly numExperts: number
  readonly topK: number
  /** Whether each step also says which experts were forecast. */
  readonly hasForecasts: boolean
}

/** How one step was routed. */
export interface TraceStep {
  readonly numTokens: number
  /** `[numLayers, numTokens, topK]`, best first; -1 where the assignment was dropped. */
  readonly expertIds: Int16Array
  /** The same of what was forecast one layer earlier; -1 for none, as in a first layer of which nobody could know. Only with `hasForecasts`. */
  readonly forecastIds: Int16Array | undefined
}

/** The routing of some steps, one after the other: recorded, or generated. */
export interface ExpertTrace {
  readonly header: TraceHeader
  readonly steps: readonly TraceStep[]
}

/** Bounds of what is read: more is damage, or a model that nobody has. */
export const MOST = { layers: 1024, experts: 32_767, headerBytes: 65_536, tokens: 1 << 20 } as const
