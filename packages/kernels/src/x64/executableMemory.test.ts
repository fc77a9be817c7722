import { describe, expect, test } from "bun:test"
import { ptr } from "bun:ffi"
import { readFileSync } from "node:fs"
import { callable, createCodeSpace } from "./executableMemory.ts"
import { ExecutableMemoryError } from "./ExecutableMemoryError.ts"

const isLinuxX64 = process.platform === "linux" && process.arch === "x64"

/** `mov [rdi], rsi; ret` */
const STORE = Uint8Array.of(0x48, 0x89, 0x37, 0xc3)

test.skipIf(isLinuxX64)("createCodeSpace: says where code can run when this is no such place", () => {
  expect(createCodeSpace).toThrow(ExecutableMemoryError)
})

describe.skipIf(!isLinuxX64)("executable memory", () => {
  test("createCodeSpace: placed code runs with the arguments it is called with", () => {
    const space = createCodeSpace()
    const out = new Float64Array(1)
    callable(space.place(STORE), 2)(ptr(out), 12345)
    expect(new Uint32Array(out.buffer)[0]).toBe(12345)
    space.close()
  })

  test("createCodeSpace: no page is writable and executable at once, and close unmaps all", () => {
    const space = createCodeSpace()
    const addresses = [space.place(STORE), space.place(new Uint8Array(5000).fill(0xc3))]
    expect(addresses.map(protectionAt)).toEqual(["r-xp", "r-xp"])
    expect(protectionAt(addresses[1]! + 4096)).toBe("r-xp")
    space.close()
    expect(addresses.map(protectionAt)).toEqual([undefined, undefined])
  })

  test("createCodeSpace: what the system refuses names the call and its errno", () => {
    const space = createCodeSpace()
    // No code at all is a mapping of length 0: EINVAL.
    expect(() => space.place(new Uint8Array(0))).toThrow(/mmap .* \(errno 22\)/)
    space.close()
  })
})

/** The protection that the kernel lists for the mapping at an address. */
function protectionAt(address: number): string | undefined {
  for (const line of readFileSync("/proc/self/maps", "utf8").split("\n")) {
    const [, first, end, protection] = /^([0-9a-f]+)-([0-9a-f]+) (\S+)/.exec(line) ?? []
    if (first !== undefined && Number.parseInt(first, 16) <= address && address < Number.parseInt(end!, 16))
      return protection
  }
  return undefined
}
