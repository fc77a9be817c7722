import { createArena } from "@consilium/kernels"
import { createTransformer, openPreparedModel } from "@consilium/model"
import { createBackend } from "./createBackend.ts"
import type { EngineModel } from "./engineModel.ts"
import { largestId } from "./largestId.ts"
import type { SuiteOptions } from "./Suite.ts"

/** What one stream has the engine do. */
interface StreamWork {
  readonly promptIds: readonly number[]
  readonly numTokens: number
}

/** The model's step in this process: no service, no sampling, no text. */
export interface AloneEngine {
  /**
   * Has all streams read their prompts, one after the other, then makes steps of all that want more tokens; returns the time.
   *
   * What they say, greedily, is found out before: the same tokens choose the same experts as in the service.
   */
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
  /** Runs all streams; `said` holds the answers, and grows where `say` is given. */
  const pass = (
    streams: readonly StreamWork[],
    said: readonly number[][],
    say?: (slotId: number, id: number) => void,
  ) => {
    for (const [slotId, { promptIds }] of streams.entries()) {
      const numRows = promptIds.length
      const slots = [{ slotId, firstRow: 0, numRows, pastLength: 0, wantsLogits: true }]
      transformer.run({ numRows, ids: Int32Array.from(promptIds), slots })
      say?.(slotId, largestId(transformer.logits(0)))
    }
    const most = Math.max(...streams.map(({ numTokens }) => numTokens))
    for (let numDone = 1; numDone < most; numDone++) {
      const slots = streams.flatMap(({ promptIds, numTokens }, slotId) =>
        numTokens > numDone
          ? [{ slotId, numRows: 1, pastLength: promptIds.length + numDone - 1, wantsLogits: true }]
          : [],
      )
      const ids = Int32Array.from(slots, ({ slotId }) => said[slotId]![numDone - 1]!)
      const rows = slots.map((slot, firstRow) => ({ ...slot, firstRow }))
      transformer.run({ numRows: rows.length, ids, slots: rows })
      if (say === undefined) continue
      for (const [row, { slotId }] of slots.entries()) say(slotId, largestId(transformer.logits(row)))
    }
  }
  return {
    run(streams) {
      const said = streams.map((): number[] => [])
      pass(streams, said, (slotId, id) => void said[slotId]!.push(id))
      const started = performance.now()
      pass(streams, said)
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
