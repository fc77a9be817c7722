import { afterEach, beforeEach, expect, test } from "bun:test"
import { type Arena, createArena, runnableIsas } from "@consilium/kernels"
import { chooseBackend } from "./chooseBackend.ts"

const hasX64 = runnableIsas().length > 0

let arena: Arena
beforeEach(() => {
  arena = createArena()
})
afterEach(() => arena.close())

test("chooseBackend: the backend that was asked for, in a line, and nothing left of its self-test", async () => {
  for (const backend of ["reference", "onnx", "x64"] as const) {
    if (backend === "x64" && !hasX64) continue
    const chosen = await chooseBackend(arena, { backend, numThreads: 2 })
    expect(chosen.backend.name).toBe(backend)
    expect(chosen.reason).toMatch(backend === "x64" ? /^x64 \(\S+\): passed its self-test$/ : `${backend}: as asked`)
    chosen.backend.close()
    expect(arena.usedBytes).toBe(0)
  }
})

test("chooseBackend: by itself it takes machine code where that runs, else onnx", async () => {
  const { backend, reason } = await chooseBackend(arena, { backend: "auto", numThreads: 1 })
  expect(backend.name).toBe(hasX64 ? "x64" : "onnx")
  expect(reason).toContain("passed its self-test")
  backend.close()
})
