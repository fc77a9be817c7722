import { expect, test } from "bun:test"
import { createProgress } from "./createProgress.ts"

function recording(isTTY: boolean): { written: string[]; output: Parameters<typeof createProgress>[0] } {
  const written: string[] = []
  return { written, output: { isTTY, columns: 40, write: (text) => written.push(text) } }
}

test("createProgress: says which of how many, and the time since the start", () => {
  let clockMs = 1000
  const { written, output } = recording(false)
  const progress = createProgress(output, () => clockMs)
  progress.report("preparing")
  progress.report("still preparing")
  progress.expect(2)
  progress.count()
  clockMs += 65_000
  progress.report("decode")
  expect(written).toEqual(["  [1] 0:00  preparing\n", "  [2/2] 1:05  decode\n"])
  expect(progress.done()).toBe("1 of 2 measurements")
})

test("createProgress: on a terminal one line is written over, never longer than the terminal is wide", () => {
  const { written, output } = recording(true)
  const progress = createProgress(output, () => 0)
  progress.report("x".repeat(100))
  progress.end()
  expect(written).toEqual([`\r\u001B[K  [1] 0:00  ${"x".repeat(27)}`, "\r\u001B[K"])
})
