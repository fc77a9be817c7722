import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test"
import { createRandom } from "@consilium/tensor"
import type { Arena } from "../Arena.ts"
import { ArenaFullError } from "../ArenaFullError.ts"
import { createArena } from "../createArena.ts"
import { type CodeSpace, createCodeSpace } from "./executableMemory.ts"
import { createHostPool, type HostPool } from "./HostPool.ts"
import { runnableIsas } from "./runnableIsas.ts"
import { emitMark, MARK, MAX_MARKS, openMarkedPool, untilAllTakePart } from "../../test/openMarkedPool.ts"

// Hosts must get their turn, also on a busy machine.
setDefaultTimeout(60_000)

let arena: Arena
let space: CodeSpace
beforeEach(() => {
  arena = createArena()
  space = createCodeSpace()
})
afterEach(() => {
  space.close()
  arena.close()
})

const openPool = (numHosts: number) => openMarkedPool(arena, space, numHosts)
const ones = (count: number): number[] => Array(count).fill(1)

const describeHere = runnableIsas().length > 0 ? describe : describe.skip
if (runnableIsas().length === 0) console.log("HostPool: skipped, this is no Linux on x64 with AVX2")

describeHere("HostPool", () => {
  test.each([1, 2, 3, 8])(
    "%i hosts run every task once, from before the workers are up until all take part",
    async (numHosts) => {
      const open = openPool(numHosts)
      const random = createRandom(numHosts)
      const runPhases = (numPhases: number): void => {
        for (let phase = 0; phase < numPhases; phase++) {
          const numTasks = 1 + Math.floor(random() * 30)
          for (let mark = 0; mark < numTasks; mark++) open.add(mark, random() < 0.1 ? 2000 : 0)
          expect(open.run(numTasks + 1)).toEqual([...ones(numTasks), 0])
        }
      }
      runPhases(50)
      await untilAllTakePart(open)
      runPhases(200)
      open.pool.close()
    },
  )

  test("more hosts than processors: whoever is put aside in a phase takes nothing of a later one", async () => {
    const open = openPool(8)
    await untilAllTakePart(open)
    const until = performance.now() + 1500
    for (let phase = 0; performance.now() < until; phase++) {
      // Phases of all sizes in turn, so that one's last task is never the next one's.
      const numTasks = 2 + (phase % 7)
      for (let mark = 0; mark < numTasks; mark++) open.add(mark)
      const marks = open.run(9)
      if (marks.some((count, mark) => count !== (mark < numTasks ? 1 : 0)))
        throw new Error(`phase ${phase} of ${numTasks} tasks left ${marks.join(" ")}`)
    }
    open.pool.close()
  })

  test("a phase is over when its slowest task is; a sequence's steps run in order", async () => {
    const open = openPool(3)
    await untilAllTakePart(open)
    for (let phase = 0; phase < 20; phase++) {
      for (let mark = 0; mark < 4; mark++) open.add(mark, mark === phase % 4 ? 300_000 : 0)
      expect(open.run(4)).toEqual(ones(4))
    }
    const digits = [2, 0, 1, 1, 2]
    for (let phase = 0; phase < 100; phase++) {
      for (let mark = 0; mark < 12; mark++) open.addSequence(mark, digits.slice(0, 1 + (mark % 5)))
      expect(open.run(12).map((mark) => mark.toString(3))).toEqual(
        Array.from({ length: 12 }, (_, mark) => digits.slice(0, 1 + (mark % 5)).join("")),
      )
    }
    open.pool.close()
  })

  test("a phase of more tasks or steps than there is room for is run in parts, each task once", () => {
    const open = openPool(2)
    for (let mark = 0; mark < 10_000; mark++) open.add(mark)
    expect(open.run(10_001)).toEqual([...ones(10_000), 0])
    // The steps are full before the tasks are.
    for (let mark = 0; mark < 3000; mark++) open.addSequence(mark, [0, 0, 0, 0, 0, 0, 1])
    expect(open.run(3001)).toEqual([...ones(3000), 0])
    for (let mark = 0; mark < 5000; mark += 2) {
      open.add(mark)
      open.addSequence(mark + 1, [1])
    }
    expect(open.run(5001)).toEqual([...ones(5000), 0])
    open.pool.close()
  })

  test("a task that is alone in its phase runs on this thread", async () => {
    const open = openPool(3)
    await untilAllTakePart(open)
    const hosts = new Set<bigint>()
    for (let phase = 0; phase < 50; phase++) {
      open.add(0, 5000)
      expect(open.run(1)).toEqual([1])
      hosts.add(open.hostOf(0))
    }
    expect(hosts.size).toBe(1)
    open.pool.run()
    open.pool.close()
  })

  test("hosts that have nothing to do sleep, and wake for the next phase", async () => {
    const open = openPool(3)
    for (let round = 0; round < 2; round++) {
      await untilAllTakePart(open)
      // The runtime compiles and collects garbage meanwhile: the quietest of some spells is the hosts' own. Spinning, they would fill each of them.
      let leastMs = Number.POSITIVE_INFINITY
      for (let spell = 0; spell < 6; spell++) {
        const before = process.cpuUsage()
        await Bun.sleep(100)
        const { user, system } = process.cpuUsage(before)
        leastMs = Math.min(leastMs, (user + system) / 1000)
      }
      expect(leastMs).toBeLessThan(20)
    }
    open.pool.close()
  })

  test("held arrays are where they are said to be", () => {
    const open = openPool(1)
    const values = Float32Array.of(0, 0, 0, 0)
    const task = open.pool.add(space.place(emitMark()))
    open.pool.records[task + MARK.mark] = open.pool.hold(values)
    open.pool.records[task + MARK.digit] = 0x3f800000
    open.pool.records[task + MARK.turns] = 0
    open.pool.run()
    expect(values[0]).toBe(1)
    open.pool.close()
  })

  test("scratch grows for every host, and a pool outlives an arena that was too small for it", () => {
    arena.close()
    arena = createArena({ limitBytes: 2 ** 20 })
    const open = openPool(2)
    const { usedBytes } = arena
    open.pool.reserveScratch(4096)
    open.pool.reserveScratch(128)
    expect(arena.usedBytes).toBe(usedBytes + 2 * (4096 - 64))
    expect(() => open.pool.reserveScratch(400_000)).toThrow(ArenaFullError)
    open.pool.reserveScratch(64)
    expect(arena.usedBytes).toBe(usedBytes)
    for (let mark = 0; mark < 8; mark++) open.add(mark)
    expect(open.run(8)).toEqual(ones(8))
    open.pool.close()
    expect(arena.usedBytes).toBe(MAX_MARKS * 16)
  })

  test("close waits until no worker runs code, frees the scratch, and may come twice", async () => {
    // At once, while workers start, and while they spin: what they run is unmapped right behind.
    for (let round = 0; round < 12; round++) {
      const own = createCodeSpace()
      const pool = createHostPool(arena, own, 4)
      pool.reserveScratch(64)
      const code = own.place(emitMark())
      const marks = new Float32Array(4)
      await Bun.sleep(round % 4 === 0 ? 0 : 6 * round)
      for (let task = 0; task < 8; task++) {
        const at = pool.add(code)
        pool.records[at + MARK.mark] = pool.hold(marks)
        pool.records[at + MARK.digit] = 0
        pool.records[at + MARK.turns] = 1000
      }
      if (round % 3 > 0) pool.run()
      pool.close()
      pool.close()
      own.close()
      expect(() => pool.add(code)).toThrow("x64: this backend is closed")
      expect(() => pool.addSequence(2)).toThrow("closed")
      expect(arena.usedBytes).toBe(0)
    }
  })

  test("a worker that cannot start is told of once, and its work done by the others", async () => {
    const { Worker: RealWorker } = globalThis
    const broken = URL.createObjectURL(new Blob(["throw new Error('no stack for it')"], { type: "text/javascript" }))
    const warnings: Error[] = []
    const note = (warning: Error): void => void warnings.push(warning)
    process.on("warning", note)
    let pool: HostPool
    try {
      let numStarted = 0
      globalThis.Worker = class extends RealWorker {
        constructor(url: string | URL) {
          super(numStarted++ === 0 ? url : broken)
        }
      } as typeof RealWorker
      const open = openPool(4)
      pool = open.pool
      while (warnings.length === 0) await Bun.sleep(1)
      await Bun.sleep(50)
      for (let mark = 0; mark < 100; mark++) open.add(mark)
      expect(open.run(100)).toEqual(ones(100))
    } finally {
      globalThis.Worker = RealWorker
      process.off("warning", note)
      URL.revokeObjectURL(broken)
    }
    expect(warnings.map(({ message }) => message)).toEqual([
      "x64: expected 3 worker threads, one failed (error: no stack for it): its work goes to the others",
    ])
    pool.close()
  })

  test("a process with an open pool exits by itself", () => {
    const script = `
      import { createArena } from "${import.meta.dir}/../createArena.ts"
      import { createCodeSpace } from "${import.meta.dir}/executableMemory.ts"
      import { createHostPool } from "${import.meta.dir}/HostPool.ts"
      createHostPool(createArena(), createCodeSpace(), 3)
      await Bun.sleep(Number(process.argv.at(-1)))
      console.log("end")`
    for (const ms of [0, 30, 200]) {
      const { exitCode, stdout, stderr } = Bun.spawnSync([process.execPath, "-e", script, String(ms)], {
        timeout: 20_000,
      })
      expect([exitCode, stdout.toString(), stderr.toString()]).toEqual([0, "end\n", ""])
    }
  })
})
