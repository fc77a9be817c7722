import { afterAll, expect, test } from "bun:test"
import { openKernelRunner } from "../../test/kernelRunner.ts"
import { openMarkedPool, untilAllTakePart } from "../../test/openMarkedPool.ts"
import { createArena } from "../createArena.ts"
import { createCodeSpace } from "./executableMemory.ts"
import { emitAwaitGate, emitPassGate, GATE, GATE_BYTES } from "./gateKernels.ts"
import { RECORD_VALUES } from "./kernelAbi.ts"
import { runnableIsas } from "./runnableIsas.ts"

const testHere = runnableIsas().length > 0 ? test : test.skip
if (runnableIsas().length === 0) console.log("gates: skipped, this is no Linux on x64 with AVX2")

const runner = openKernelRunner(64)
afterAll(() => runner.close())

testHere("gates: a task that waits runs after all that it waits for, on any number of hosts", async () => {
  const [arena, space] = [createArena(), createCodeSpace()]
  const span = arena.allocate(GATE_BYTES)
  const words = new Int32Array(arena.bytes(span).buffer, span.offset, GATE_BYTES / 4)
  const [pass, wait] = [space.place(emitPassGate()), space.place(emitAwaitGate())]
  for (const numHosts of [1, 2, 3]) {
    const open = openMarkedPool(arena, space, numHosts)
    const { pool } = open
    await untilAllTakePart(open)
    const NUM_PASSES = 5
    for (let phase = 0; phase < 200; phase++) {
      words.fill(0)
      // All leave their digit in one mark, one behind the other where gates work; the last one waits for the others.
      for (let task = 0; task <= NUM_PASSES; task++) {
        const at = pool.addSequence(3)
        pool.records[at] = wait
        pool.records[at + GATE.gate] = arena.address(span)
        pool.records[at + GATE.count] = task
        pool.records[at + GATE.from] = arena.address(span)
        pool.records[at + GATE.bytes] = 4096
        open.write(at + RECORD_VALUES, 0, task === NUM_PASSES ? 2 : 1, phase % 7 === 0 ? 2000 : 0)
        pool.records[at + 2 * RECORD_VALUES] = pass
        pool.records[at + 2 * RECORD_VALUES + GATE.gate] = arena.address(span)
      }
      expect(open.run(1).map((mark) => mark.toString(3))).toEqual(["111112"])
    }
    expect(words[0]).toBe(NUM_PASSES + 1)
    pool.close()
  }
  space.close()
  arena.close()
})

testHere("gates: an open one is passed at once, and what lies behind memory that was asked for is never read", () => {
  const gate = runner.place(new Int32Array([3, 0]))
  const weights = runner.place(new Uint8Array(64))
  const wait = runner.load(emitAwaitGate(), GATE)
  const pass = runner.load(emitPassGate(), { gate: GATE.gate })
  for (const count of [0, 3]) wait({ gate: gate.address, count, from: weights.address, bytes: 1 << 17 })
  pass({ gate: gate.address })
  expect([...gate.values]).toEqual([4, 0])
})
