import { afterAll, describe, test } from "bun:test"
import type { VectorBytes } from "../src/x64/Assembler.ts"
import { type KernelRunner, openKernelRunner } from "./kernelRunner.ts"
import { runnableIsas } from "../src/x64/runnableIsas.ts"

/**
 * Describes tests of emitted code for 64- and 32-byte vectors, with a runner that is closed after them. A width that this machine lacks is skipped
 * by name.
 *
 * @param scratchBytes of the runner
 */
export function describeEachWidth(
  name: string,
  scratchBytes: number,
  body: (vectorBytes: VectorBytes, runner: KernelRunner) => void,
): void {
  const widths = new Set(runnableIsas().map(({ vectorBytes }) => vectorBytes))
  for (const vectorBytes of [64, 32] as const) {
    const title = `${name}, ${vectorBytes}-byte vectors`
    if (!widths.has(vectorBytes)) {
      test.skip(`${title}: this machine has none`, () => {})
      continue
    }
    describe(title, () => {
      const runner = openKernelRunner(scratchBytes)
      afterAll(() => runner.close())
      body(vectorBytes, runner)
    })
  }
}
