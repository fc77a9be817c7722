import { inStore } from "./openStore.ts"

/** Returns the functions of a store such that what SQLite fails with comes as a StoreError. */
export function guardStore<Store extends object>(path: string, kind: string, store: Store): Store {
  const guarded = Object.entries(store).map(([name, run]: [string, (...args: unknown[]) => unknown]) => [
    name,
    (...args: unknown[]) => inStore(path, kind, () => run(...args)),
  ])
  return Object.fromEntries(guarded) as Store
}
