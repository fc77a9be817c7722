import type { Backend, Op } from "./Backend.ts"
import type { BackendCase } from "./BackendCase.ts"
import type { Format } from "./SlabLayout.ts"

/** Returns a backend that no longer claims to support what its failed cases asked for. */
export function withoutFailed(backend: Backend, failed: readonly BackendCase[]): Backend {
  const key = (op: Op, format: Format): string => `${op} ${format}`
  const refused = new Set(failed.map(({ op, format }) => key(op, format)))
  // One expert that is wrong is wrong among others too.
  for (const { op, format } of failed) if (op === "expert") refused.add(key("experts", format))
  return { ...backend, supports: (op, format) => !refused.has(key(op, format)) && backend.supports(op, format) }
}
