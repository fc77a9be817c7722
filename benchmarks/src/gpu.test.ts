import { expect, test } from "bun:test"
import { engine } from "./engine.ts"
import { gpu } from "./gpu.ts"

test("gpu: runs of another shape, or of other rows, have another name; flags that say nothing are errors", () => {
  const variant = (flags: Record<string, string>): string | undefined => gpu.variant!({ flags, modelDir: "" })
  expect(variant({})).toBeUndefined()
  expect(variant({ shape: "tiny-qwen3", rows: "1,8" })).toBe("tiny-qwen3-rows-1-8")
  expect(() => variant({ shape: "large" })).toThrow('shape "large"')
  expect(() => variant({ rows: "all" })).toThrow("--rows all")
})

test("engine: looks for no device unless its backend has one", () => {
  expect(engine.findDevice!({ backend: "x64" })).toBeUndefined()
})
