import { describe, expect, test } from "bun:test"
import { type Pointer, read } from "bun:ffi"
import { readFileSync } from "node:fs"
import { openGuardedMemory } from "./guardedMemory.ts"

/** The protection of every mapped page, by its first address. */
function protections(): (address: number) => string | undefined {
  const mappings = readFileSync("/proc/self/maps", "utf8")
    .split("\n")
    .flatMap((line) => {
      const [, first, end, protection] = /^([0-9a-f]+)-([0-9a-f]+) (\S+)/.exec(line) ?? []
      return first === undefined
        ? []
        : [{ first: Number.parseInt(first, 16), end: Number.parseInt(end!, 16), protection }]
    })
  return (address) => mappings.find(({ first, end }) => first <= address && address < end)?.protection
}

describe.skipIf(process.platform !== "linux")("openGuardedMemory", () => {
  test("values end, or begin, exactly at a page that nobody may touch", () => {
    const memory = openGuardedMemory()
    const last = memory.place(Float32Array.of(1, 2, 3))
    const first = memory.place(new Uint8Array(5000), "start")
    const at = protections()
    expect([at(last.address + 11), at(last.address + 12)]).toEqual(["rw-p", "---p"])
    expect([at(first.address - 1), at(first.address), at(first.address + 4999)]).toEqual(["---p", "rw-p", "rw-p"])
    expect(at(first.address + 8192)).toBe("---p")
    expect(read.f32(last.address as Pointer, 8)).toBe(3)
    memory.close()
    expect(protections()(last.address)).not.toBe("rw-p")
    expect(last.values.length).toBe(0)
  })

  test("a byte written beside the values is found at close", () => {
    const memory = openGuardedMemory()
    const { values } = memory.place(Uint8Array.of(1, 2, 3), "start")
    new Uint8Array(values.buffer)[3] = 0
    expect(() => memory.close()).toThrow("code wrote to byte 3 of 3")
  })
})
