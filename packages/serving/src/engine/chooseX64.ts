import {
  type Arena,
  type Backend,
  composeBackends,
  type FailedCase,
  failedCases,
  type Isa,
  withoutFailed,
} from "@consilium/kernels"

/** A backend, and the line that says why it was chosen. */
export interface ChosenBackend {
  readonly backend: Backend
  readonly reason: string
  /** Something better failed its self-test: the reason is told whether anybody asks or not. */
  readonly isSecondBest: boolean
}

/** How backends are made: machine code for an instruction set, and what stands in for it. */
export interface BackendSource {
  readonly openX64: (isa: Isa) => Backend
  readonly openOnnx: () => Promise<Backend>
  /** The best instruction set passed its self-test on this machine a moment ago. */
  readonly isTested?: boolean
}

/**
 * Chooses the best instruction set whose kernels all pass their self-test; where none does, the best one without what failed, which goes to onnx, or to the
 * reference where that cannot run either.
 *
 * @param isas at least one, best first
 */
export async function chooseX64(
  arena: Arena,
  reference: Backend,
  isas: readonly Isa[],
  { openX64, openOnnx, isTested = false }: BackendSource,
): Promise<ChosenBackend> {
  const failures: { readonly isa: Isa; readonly failed: readonly FailedCase[] }[] = []
  for (const isa of isas) {
    const x64 = openX64(isa)
    const failed = isTested ? [] : failedCases(x64, reference)
    if (failed.length === 0) {
      const reason = [`x64 (${isa.name}): passed its self-test`, ...failures.map(describeFailure)].join("; ")
      return {
        backend: composeBackends(arena, [x64, reference]),
        reason,
        isSecondBest: failures.length > 0,
      }
    }
    x64.close()
    failures.push({ isa, failed })
  }
  const { isa, failed } = failures[0]!
  const other = await openOnnx().catch(() => reference)
  const x64 = withoutFailed(
    openX64(isa),
    failed.map(({ item }) => item),
  )
  const ops = [...new Set(failed.map(({ item }) => `${item.op} ${item.format}`))].join(", ")
  return {
    backend: composeBackends(arena, [x64, other]),
    reason: `x64 (${isa.name}) without ${ops}, for which ${other.name} stands in: ${failed[0]!.problem}`,
    isSecondBest: true,
  }
}

function describeFailure({ isa, failed }: { readonly isa: Isa; readonly failed: readonly FailedCase[] }): string {
  return `${isa.name} failed (${failed[0]!.problem})`
}
