import { createArena } from "@consilium/kernels"
import { createTransformer, openPreparedModel } from "@consilium/model"
import { createBackend } from "./createBackend.ts"
import type { EngineModel } from "./engineModel.ts"
import type { SuiteOptions } from "./Suite.ts"

/** What one stream has the engine do. */
interface StreamWork {
  readonly numPromptTokens: number
  readonly numTokens: number
}

/** The model's step in this process: no service, no sampling, no text. */
export interface AloneEngine {
  /** Has all streams read their prompts, one after the other, then makes steps of all that want more tokens; returns the time. */
  run(streams: readonly StreamWork[]): number
  close(): void
}

/** Opens a model on the backend that a run was asked for. */
export function openAloneEngine(
  { preparedDir, sourceDir }: EngineModel,
  { backend: backendName, numThreads }: Pick<SuiteOptions, "backend" | "numThreads">,
  { numStreams, capacity }: { readonly numStreams: number; readonly capacity: number },
): AloneEngine {
  const prepared = openPreparedModel(preparedDir, sourceDir)
  const arena = createArena()
  const backend = createBackend(backendName, arena, numThreads)
  const maxRows = Math.max(capacity, numStreams)
  const transformer = createTransformer({ prepared, backend, numSlots: numStreams, capacity, maxRows })
  const { vocabSize } = prepared.config
  // Ids are spread over the vocabulary, so that routing is spread too.
  const ids = Int32Array.from({ length: maxRows }, (_, i) => ((i + 1) * 7919) % vocabSize)

  const prefill = ({ numPromptTokens: numRows }: StreamWork, slotId: number): void => {
    transformer.run({ numRows, ids, slots: [{ slotId, firstRow: 0, numRows, pastLength: 0, wantsLogits: true }] })
  }
  const decode = (streams: readonly StreamWork[], numDone: number): void => {
    const slots = streams.flatMap(({ numPromptTokens, numTokens }, slotId) =>
      numTokens > numDone ? [{ slotId, numRows: 1, pastLength: numPromptTokens + numDone - 1, wantsLogits: true }] : [],
    )
    const rows = slots.map((slot, firstRow) => ({ ...slot, firstRow }))
    transformer.run({ numRows: rows.length, ids, slots: rows })
  }
  return {
    run(streams) {
      const started = performance.now()
      for (const [slotId, stream] of streams.entries()) prefill(stream, slotId)
      const most = Math.max(...streams.map(({ numTokens }) => numTokens))
      for (let numDone = 1; numDone < most; numDone++) decode(streams, numDone)
      return performance.now() - started
    },
    close() {
      transformer.close()
      backend.close()
      arena.close()
      prepared.close()
    },
  }
}
