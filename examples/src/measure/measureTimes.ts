import type { ChatMessage } from "@consilium/serving"
import type { Contender } from "./Contender.ts"

/** What comes before the first sample: pages, caches, the machine's clocks. */
const WARM_UP = 4

/** Asks contenders the same prompts one at a time, in turns, so that what else the machine does meets all of them; returns each one's times in ms. */
export async function measureTimes(
  contenders: readonly Contender[],
  prompts: readonly (readonly ChatMessage[])[],
  numTokens: number,
): Promise<readonly (readonly number[])[]> {
  for (const contender of contenders)
    for (const prompt of prompts.slice(0, WARM_UP)) await contender.answer(prompt, numTokens)
  const times = contenders.map((): number[] => [])
  for (const prompt of prompts)
    for (const [i, contender] of contenders.entries()) {
      const { ms, generatedTokens } = await contender.answer(prompt, numTokens)
      if (generatedTokens !== numTokens)
        throw new Error(`contender ${i}: expected an answer of ${numTokens} tokens, found ${generatedTokens}`)
      times[i]!.push(ms)
    }
  return times
}
