import type { StepModel } from "./StepModel.ts"
import type { StepDone } from "./StepDone.ts"

/** Most cells of a bar. */
const MAX_CELLS = 64
const LEVELS = " ▁▂▃▄▅▆▇█"

/**
 * Returns the line that `CONSILIUM_DEBUG=2` prints for a step: its rows, tokens per expert as a bar, time, rate, and the fixed cost in parts: what
 * passes outside the kernels, or, where the backend does not count their time, outside the model.
 *
 * @param sendMs what it took to send the step's events
 */
export function describeStep(
  { numRows, numDecoding, times }: StepDone,
  { numSteps, sendMs, tokensPerExpert }: { numSteps: number; sendMs: number; tokensPerExpert: Uint32Array },
): string {
  const { planMs, runMs, kernelMs, sampleMs, applyMs } = times
  const totalMs = planMs + runMs + sampleMs + applyMs + sendMs
  const aroundMs = kernelMs > 0 ? runMs - kernelMs : 0
  const fixedMs = totalMs - runMs + aroundMs
  const ms = (value: number): string => value.toFixed(value < 10 ? 2 : 1)
  const around = kernelMs > 0 ? `around kernels ${ms(aroundMs)}, ` : ""
  const parts = `plan ${ms(planMs)}, ${around}sample ${ms(sampleMs)}, apply ${ms(applyMs)}, send ${ms(sendMs)}`
  return [
    `step ${numSteps}: ${numDecoding} decode + ${numRows - numDecoding} prefill`,
    ...(tokensPerExpert.length > 0 ? [`[${barOf(tokensPerExpert)}]`] : []),
    `${ms(totalMs)} ms, ${((numRows / totalMs) * 1000).toFixed(0)} tok/s`,
    `fixed ${ms(fixedMs)} ms = ${((fixedMs / totalMs) * 100).toFixed(1)} % (${parts})`,
  ].join(" | ")
}

/** Returns how many rows of the step that ran last each expert saw, over all layers, `[E]`; empty where no layer routes. */
export function countTokensPerExpert({ config, routing }: Pick<StepModel, "config" | "routing">): Uint32Array {
  const numExperts = config.layers.map(({ feedForward }) => (feedForward.kind === "moe" ? feedForward.numExperts : 0))
  const counts = new Uint32Array(Math.max(0, ...numExperts))
  for (let layer = 0; layer < numExperts.length; layer++) {
    const routed = routing(layer)
    if (routed === undefined) continue
    for (let a = 0; a < routed.numTokens * routed.topK; a++) {
      const expertId = routed.expertIds[a]!
      if (expertId >= 0) counts[expertId]!++
    }
  }
  return counts
}

/** A cell per expert, or per run of experts where there are many; the fullest reaches the top, only empty ones are blank. */
function barOf(counts: Uint32Array): string {
  const width = Math.ceil(counts.length / MAX_CELLS)
  const cells = Array.from({ length: Math.ceil(counts.length / width) }, (_, cell) =>
    counts.subarray(cell * width, (cell + 1) * width).reduce((sum, count) => sum + count, 0),
  )
  const most = Math.max(1, ...cells)
  return cells.map((count) => LEVELS[Math.ceil((count / most) * (LEVELS.length - 1))]).join("")
}
