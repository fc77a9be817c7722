import { createArena } from "@consilium/kernels"
import { createGpuBackend } from "@consilium/gpu"
import { miniModelDir, readFixtureJson } from "@consilium/testing"
import { join } from "node:path"
import { createTransformer } from "../src/index.ts"
import { generateGreedy } from "./generateGreedy.ts"
import { withPrepared } from "./openForTest.ts"
const arena = createArena(); const gpu = createGpuBackend(arena)
const { conversations } = readFixtureJson<any>(join(miniModelDir(), "expected.json"))
const ids = conversations.map((c: any) => c.prompt_ids).sort((a: any, b: any) => a.length - b.length)[0]
for (const format of ["int4", "int8"] as const)
await withPrepared(miniModelDir(), format, (prepared) => {
  const t = createTransformer({ prepared, backend: gpu, numSlots: 1, capacity: 256, maxRows: 256 })
  generateGreedy(t, ids, { numIds: 4 })
  const times: number[] = []
  for (let i = 0; i < 5; i++) { const s = performance.now(); generateGreedy(t, ids, { numIds: 42 }); const m = performance.now(); generateGreedy(t, ids, { numIds: 2 }); const e = performance.now(); times.push(((m - s) - (e - m)) / 40) }
  console.log(format, "ms a decode step", times.map((x) => x.toFixed(2)).join(" "))
  t.close()
})
gpu.close()
