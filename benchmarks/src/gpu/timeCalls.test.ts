import { expect, test } from "bun:test"
import { createArena, createReferenceBackend } from "@consilium/kernels"
import { timeCalls } from "./timeCalls.ts"

test("timeCalls: all calls of a sample are one step, and each costs what the backend counts", () => {
  const arena = createArena()
  let ms = 0
  const calls: string[] = []
  const backend = {
    ...createReferenceBackend(arena),
    kernelMs: () => ms,
    beginStep: () => calls.push("begin"),
    endStep: () => calls.push("end"),
  }
  const samples = timeCalls(backend, () => {
    ms += 8
    calls.push("call")
  })
  expect(samples).toEqual(Array.from({ length: 8 }, () => 8))
  expect(calls.slice(-5)).toEqual(["begin", "call", "call", "call", "end"])
  expect(() => timeCalls(createReferenceBackend(arena), () => {})).toThrow("reference does not time its kernels")
  arena.close()
})
