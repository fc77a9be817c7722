import { afterEach, beforeEach, expect, test } from "bun:test"
import { type Arena, createArena } from "@consilium/kernels"
import { chooseBackend } from "./chooseBackend.ts"

let arena: Arena
beforeEach(() => {
  arena = createArena()
})
afterEach(() => arena.close())

test("chooseGpu: a GPU that passes its self-test, in a line that names it; else an error that says why and what to do", async () => {
  const chosen = await chooseBackend(arena, { backend: "gpu", numThreads: 1 }).catch((error: Error) => error)
  if (chosen instanceof Error) {
    expect(chosen.message).toMatch(/^the gpu backend cannot run here: gpu: .+; try --backend auto$/)
    console.log(`gpu: skipped, ${chosen.message}`)
  } else {
    const { backend, reason } = chosen
    expect(backend.name).toBe("gpu")
    expect(reason).toMatch(/^gpu \(.+\): as asked; the rest by (x64|onnx|reference)/)
    expect(backend.supports("experts", "int4")).toBe(true)
    expect(backend.supports("attend", "f32")).toBe(true)
    expect(backend.cacheFormats.length).toBeGreaterThan(0)
    backend.close()
  }
  expect(arena.usedBytes).toBe(0)
})
