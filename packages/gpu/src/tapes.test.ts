import { describe, expect, test } from "bun:test"
import { COMMAND } from "./GpuLine.ts"
import { areSameCommands, isRepeatable, nextCommand } from "./tapes.ts"

const WRITE = [COMMAND.write, 1, 0, 1000, 16]
const DISPATCH = [COMMAND.dispatch, 5, 2, 3, 2, 70, 80, 3, 1, 2, 3]
const COPY = [COMMAND.copy, 1, 0, 2, 4, 8]
const READ = [COMMAND.read, 3, 0, 2000, 16]
const OTHERS = [
  [COMMAND.create, 9, 16],
  [COMMAND.destroy, 9],
  [COMMAND.kernel, 5, 3, 97, 98, 99],
]
const STEP = [WRITE, DISPATCH, COPY, READ]
const tapeOf = (...commands: readonly (readonly number[])[]): Float64Array => Float64Array.from(commands.flat())

describe("tapes", () => {
  test("a command ends where the next one begins", () => {
    const commands = [...STEP, ...OTHERS]
    const tape = tapeOf(...commands)
    let at = 0
    for (const command of commands) {
      expect(nextCommand(tape, at) - at).toBe(command.length)
      at += command.length
    }
  })

  test("two are the same where no more than parameters and addresses differ", () => {
    const tape = tapeOf(...STEP)
    const isFree = new Set(["0 3", "1 5", "1 6", "3 3"])
    for (const [c, command] of STEP.entries())
      for (const i of command.keys()) {
        const other = STEP.with(c, command.with(i, command[i]! + 100))
        if (i === 0 || (c === 1 && (i === 4 || i === 7))) continue
        expect(areSameCommands(tape, tapeOf(...other))).toBe(isFree.has(`${c} ${i}`))
      }
    expect(areSameCommands(tape, tapeOf(...STEP, READ))).toBe(false)
    expect(areSameCommands(tape, tapeOf(DISPATCH, WRITE, COPY, READ))).toBe(false)
  })

  test("one that makes or ends something, writes after it has begun, or is too long for a submission is not run again", () => {
    expect(isRepeatable(tapeOf(...STEP), 1)).toBe(true)
    expect(isRepeatable(tapeOf(...STEP, DISPATCH), 1)).toBe(false)
    const many = [COMMAND.dispatch, 5, 2, 3, 65, ...Array.from({ length: 65 }, () => 7), 1, 1]
    expect([1, 2].map((places) => isRepeatable(tapeOf(many), places))).toEqual([false, true])
    for (const other of OTHERS) expect(isRepeatable(tapeOf(other, ...STEP), 1)).toBe(false)
    for (const begun of [DISPATCH, COPY]) expect(isRepeatable(tapeOf(begun, WRITE), 1)).toBe(false)
    expect(isRepeatable(tapeOf(WRITE, READ), 1)).toBe(false)
  })
})
