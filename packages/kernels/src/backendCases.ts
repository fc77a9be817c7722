/** The one table of small cases that every backend must pass, against the reference: in tests, and at start before it is trusted. */
import { ATTEND_CASES } from "./attendCases.ts"
import type { BackendCase } from "./BackendCase.ts"
import type { Backend } from "./Backend.ts"
import { EXPERTS_CASES } from "./expertsCases.ts"
import { LIST_CASES } from "./listCases.ts"
import { ROUTED_CASES } from "./routedCases.ts"
import { ROW_CASES } from "./rowCases.ts"
import { SLAB_CASES } from "./slabCases.ts"

export const BACKEND_CASES: readonly BackendCase[] = [
  ...SLAB_CASES,
  ...EXPERTS_CASES,
  ...ROUTED_CASES,
  ...ATTEND_CASES,
  ...ROW_CASES,
  ...LIST_CASES,
]

/** A case that went wrong, and how: one line. */
export interface FailedCase {
  readonly item: BackendCase
  readonly problem: string
}

/** Runs every case against the reference; returns those that went wrong. A throw is a failure too. */
export function failedCases(backend: Backend, reference: Backend): FailedCase[] {
  return BACKEND_CASES.flatMap((item) => {
    const problem = checkCase(item, backend, reference)
    return problem === undefined ? [] : [{ item, problem }]
  })
}

/** Runs every case against the reference; returns what went wrong, a line each. */
export function checkBackend(backend: Backend, reference: Backend): string[] {
  return failedCases(backend, reference).map(({ problem }) => problem)
}

/** Runs one case against the reference; returns what went wrong, or undefined. */
export function checkCase(item: BackendCase, backend: Backend, reference: Backend): string | undefined {
  const { name, bound } = item
  let found: Float32Array | undefined
  try {
    found = item.run(backend)
  } catch (error) {
    return `${name}: ${error instanceof Error ? error.message : String(error)}`
  }
  if (found === undefined) return undefined
  const expected = item.run(reference)!
  let largest = 0
  let worst = 0
  for (let i = 0; i < expected.length; i++) {
    // Math.max passes NaN on, and NaN is within no bound.
    largest = Math.max(largest, Math.abs(expected[i]!))
    worst = Math.max(worst, Math.abs(expected[i]! - found[i]!))
  }
  return worst <= bound * largest ? undefined : `${name}: largest error ${worst}, bound ${bound * largest}`
}
