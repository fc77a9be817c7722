/** What users tune about a layer of experts. */
export interface MoeSettings {
  readonly numExperts: number
  readonly topK: number
  /** Assignments that an expert may take, over the even share; `Infinity` is dropless. */
  readonly capacityFactor?: number
  /** Divides the router's logits before the softmax. */
  readonly temperature?: number
}

/** Settings that can be used, and what speaks against them. */
export interface ParsedMoeSettings {
  readonly settings: Required<MoeSettings>
  /** One sentence each, with the value and the advice. */
  readonly warnings: readonly string[]
}

/** A setting that cannot be: expected, found, cure. */
export class MoeSettingsError extends Error {
  readonly _tag = "MoeSettingsError"
  override readonly name = "MoeSettingsError"
}

/**
 * Checks settings of a layer of experts; what is possible but unwise becomes a warning.
 *
 * @throws MoeSettingsError on what is impossible
 */
export function parseMoeSettings(input: MoeSettings): ParsedMoeSettings {
  const { numExperts, topK, capacityFactor = Number.POSITIVE_INFINITY, temperature = 1 } = input
  const fail = (name: string, expected: string, found: unknown, cure: string): never => {
    throw new MoeSettingsError(`${name}: expected ${expected}, found ${String(found)}: ${cure}`)
  }
  const isCount = (value: number): boolean => Number.isInteger(value) && value >= 1

  if (!isCount(numExperts) || numExperts > 1024)
    fail("numExperts", "a whole number from 1 to 1024", numExperts, "8 to 64 suit most layers")
  if (!isCount(topK) || topK > numExperts)
    fail("topK", `a whole number from 1 to numExperts ${numExperts}`, topK, "2 to 8 are usual")
  if (!(capacityFactor > 0))
    fail("capacityFactor", "a number above 0", capacityFactor, "1.2 to 1.5 drop little; leave it out to drop nothing")
  if (!(temperature > 0) || temperature === Number.POSITIVE_INFINITY) {
    fail("temperature", "a finite number above 0", temperature, "1 is as trained, 0.1 to 0.3 routes confidently")
  }

  const warnings: string[] = []
  if (numExperts < 8 || numExperts > 64) warnings.push(`numExperts ${numExperts}: 8 to 64 suit most layers`)
  if (capacityFactor < 1.2)
    warnings.push(`capacityFactor ${capacityFactor}: below 1.2 even balanced routing overflows; 1.2 to 1.5 is advised`)
  if (Number.isFinite(capacityFactor) && capacityFactor > 1.5) {
    warnings.push(`capacityFactor ${capacityFactor}: above 1.5 it hardly limits; 1.2 to 1.5 is advised`)
  }
  if (temperature < 0.1)
    warnings.push(
      `temperature ${temperature}: the best expert takes nearly all the weight; 0.1 to 0.3 is confident, 1 as trained`,
    )
  if (temperature > 0.3 && temperature < 1)
    warnings.push(`temperature ${temperature}: neither confident (0.1 to 0.3) nor as trained (1)`)
  if (temperature > 1) warnings.push(`temperature ${temperature}: weights are flatter than trained; 1 is as trained`)
  return { settings: { numExperts, topK, capacityFactor, temperature }, warnings }
}

/** Returns how many assignments one expert may take. @see GShard, arXiv:2006.16668 §2.2 */
export function expertCapacity(
  numTokens: number,
  { numExperts, topK, capacityFactor }: Omit<Required<MoeSettings>, "temperature">,
): number {
  if (capacityFactor === Number.POSITIVE_INFINITY) return capacityFactor
  return Math.max(1, Math.ceil((capacityFactor * topK * numTokens) / numExperts))
}
