import { loadModelText } from "@consilium/serving"
import { miniModelDir } from "@consilium/testing"
import type { LocalModel } from "../src/index.ts"

export const ENGINE_BYTES = 2 ** 29

/** The embedded model as a local expert's. @param preparedDir read once it is woken */
export function localModelOf(name: string, preparedDir: string): LocalModel {
  return {
    name,
    text: loadModelText(miniModelDir()),
    expertBytesPerToken: 100,
    options: {
      maxQueue: 16,
      start: {
        modelId: name,
        sourceDir: miniModelDir(),
        preparedDir,
        backend: "auto",
        numThreads: 1,
        numSlots: 2,
        contextLength: 512,
        memoryBytes: ENGINE_BYTES,
        maxWaiting: 16,
        debug: 0,
        enablesFaults: false,
        expertIdleMs: null,
        allowsOtherText: true,
        routing: { mode: "exact" },
      },
    },
  }
}
