import type { RopeTable } from "@consilium/kernels"
import type { RopeConfig } from "../ModelConfig.ts"

/**
 * Returns cosines and sines `[numPositions, rotaryDim / 2]`; yarn's attention factor is multiplied in.
 *
 * @see RoFormer, arXiv:2104.09864 §3.2; YaRN, arXiv:2309.00071 §3; llama3: `modeling_rope_utils.py` of transformers
 */
export function createRopeTable(config: RopeConfig, numPositions: number): RopeTable {
  const { rotaryDim, isInterleaved, scaling } = config
  const half = rotaryDim / 2
  const frequencies = scaledFrequencies(config)
  const attentionFactor = scaling.kind === "yarn" ? (scaling.attentionFactor ?? yarnAttentionFactor(scaling.factor)) : 1

  const cos = new Float32Array(numPositions * half)
  const sin = new Float32Array(numPositions * half)
  for (let position = 0; position < numPositions; position++) {
    for (let i = 0; i < half; i++) {
      // The angle is rounded to f32, as the reference computes it.
      const angle = Math.fround(position * frequencies[i]!)
      cos[position * half + i] = Math.cos(angle) * attentionFactor
      sin[position * half + i] = Math.sin(angle) * attentionFactor
    }
  }
  return { cos, sin, rotaryDim, isInterleaved }
}

function scaledFrequencies({ theta, rotaryDim, scaling }: RopeConfig): Float32Array {
  const half = rotaryDim / 2
  const plain = Float32Array.from({ length: half }, (_, i) => 1 / theta ** ((2 * i) / rotaryDim))
  switch (scaling.kind) {
    case "none":
      return plain
    case "linear":
      return plain.map((frequency) => frequency / scaling.factor)
    case "llama3": {
      const { factor, lowFreqFactor, highFreqFactor, originalContextLength } = scaling
      return plain.map((frequency) => {
        const wavelength = (2 * Math.PI) / frequency
        if (wavelength < originalContextLength / highFreqFactor) return frequency
        if (wavelength > originalContextLength / lowFreqFactor) return frequency / factor
        const smooth = (originalContextLength / wavelength - lowFreqFactor) / (highFreqFactor - lowFreqFactor)
        return ((1 - smooth) * frequency) / factor + smooth * frequency
      })
    }
    case "yarn": {
      const { factor, originalContextLength, betaFast, betaSlow } = scaling
      const dimensionOf = (numRotations: number): number =>
        (rotaryDim * Math.log(originalContextLength / (numRotations * 2 * Math.PI))) / (2 * Math.log(theta))
      const low = Math.max(Math.floor(dimensionOf(betaFast)), 0)
      const high = Math.min(Math.ceil(dimensionOf(betaSlow)), rotaryDim - 1)
      return plain.map((frequency, i) => {
        const ramp = Math.min(1, Math.max(0, (i - low) / Math.max(high - low, 0.001)))
        return (frequency / factor) * ramp + frequency * (1 - ramp)
      })
    }
  }
}

/** Returns what yarn multiplies cosines and sines by. @see YaRN, arXiv:2309.00071 §3.4 */
export function yarnAttentionFactor(factor: number, scale = 1): number {
  return factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1
}
