import { sampleKernels } from "@consilium/gpu"
import type { Backend } from "@consilium/kernels"

/**
 * Returns the milliseconds of a call on the device, a sample for each step of many: kernels follow each other, and rows stay where they are.
 *
 * A backend without steps has a submission for each call, of which its kernels alone are counted.
 *
 * @throws Error where the backend does not count them
 */
export function timeCalls(backend: Backend, run: () => void): number[] {
  const { kernelMs } = backend
  if (kernelMs === undefined) throw new Error(`${backend.name} does not time its kernels`)
  return sampleKernels(kernelMs, (numRepeats) => {
    backend.beginStep?.()
    for (let i = 0; i < numRepeats; i++) run()
    backend.endStep?.()
  })
}
