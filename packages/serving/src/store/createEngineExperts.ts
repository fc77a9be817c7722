import type { Backend } from "@consilium/kernels"
import type { ModelExperts, PreparedModel } from "@consilium/model"
import { createExpertStore, type ExpertStore } from "./createExpertStore.ts"
import { createLru } from "./createLru.ts"

/** The experts of an engine: their store, and what watches over it. */
export interface EngineExperts extends ModelExperts {
  readonly store: ExpertStore
  start: ExpertStore["start"]
  close(): void
}

export function createEngineExperts(prepared: PreparedModel, backend: Backend): EngineExperts {
  const store = createExpertStore({
    prepared,
    backend,
    createPolicy: ({ numInstances }) => createLru(numInstances),
    watch: { onBegin: () => {}, isIsolating: () => false, onUse: () => {}, onOutputs: () => {} },
  })
  return { store, source: store.source, options: () => ({}), start: store.start, close: store.close }
}
