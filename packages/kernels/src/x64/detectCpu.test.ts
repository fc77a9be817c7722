import { describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import type { CpuidRegisters, CpuProbe } from "./cpuProbe.ts"
import { describeCpu, detectCpu } from "./detectCpu.ts"

const bits = (...positions: number[]): number => positions.reduce((sum, bit) => sum | (1 << bit), 0)

const FMA_OSXSAVE_AVX = bits(12, 27, 28)
const AVX2 = bits(5)
const AVX512 = bits(16, 17, 30, 31)
const VNNI = bits(11)
const TILE_INT8 = bits(24, 25)
const ALL_STATES = 0x600e7

interface Machine {
  readonly leaves?: Readonly<Record<string, Partial<CpuidRegisters>>>
  readonly xcr0?: number
  readonly isTilePermitted?: boolean
}

/** A server with everything, unless a machine says otherwise. */
function probeOf({ leaves = {}, xcr0 = ALL_STATES, isTilePermitted = true }: Machine): CpuProbe & { asked: number } {
  const known: Record<string, Partial<CpuidRegisters>> = {
    "0.0": { eax: 0x20, ebx: 0x756e6547, edx: 0x49656e69, ecx: 0x6c65746e },
    "1.0": { ecx: FMA_OSXSAVE_AVX },
    "7.0": { eax: 1, ebx: AVX2 | AVX512, ecx: VNNI, edx: TILE_INT8 },
    "7.1": { eax: bits(4) },
    ...leaves,
  }
  const probe = {
    asked: 0,
    cpuid: (leaf: number, subleaf = 0) => ({ eax: 0, ebx: 0, ecx: 0, edx: 0, ...known[`${leaf}.${subleaf}`] }),
    xcr0: () => xcr0,
    permitTiles() {
      probe.asked++
      return isTilePermitted
    },
  }
  return probe
}

function setsOf(machine: Machine): string[] {
  const { hasAvx2, hasAvxVnni, hasAvx512, hasAmxInt8 } = describeCpu(probeOf(machine))
  return Object.entries({ hasAvx2, hasAvxVnni, hasAvx512, hasAmxInt8 }).flatMap(([name, has]) => (has ? [name] : []))
}

test("describeCpu: a server has everything, and its vendor's name", () => {
  expect(setsOf({})).toEqual(["hasAvx2", "hasAvxVnni", "hasAvx512", "hasAmxInt8"])
  expect(describeCpu(probeOf({})).vendor).toBe("GenuineIntel")
})

test("describeCpu: what the system does not save cannot be used", () => {
  expect(setsOf({ xcr0: 0xe7 })).toEqual(["hasAvx2", "hasAvxVnni", "hasAvx512"])
  expect(setsOf({ xcr0: 0x600e7 & ~0x80 })).toEqual(["hasAvx2", "hasAvxVnni"])
  expect(setsOf({ xcr0: 0x3 })).toEqual([])
  // Without OSXSAVE there is no XCR0 to ask.
  expect(setsOf({ leaves: { "1.0": { ecx: bits(12, 28) } } })).toEqual([])
})

test("describeCpu: every part of AVX-512 counts, and AVX2 wants FMA", () => {
  for (const missing of [16, 17, 30, 31])
    expect(setsOf({ leaves: { "7.0": { ebx: AVX2 | (AVX512 & ~bits(missing)), ecx: VNNI } } })).toEqual(["hasAvx2"])
  expect(setsOf({ leaves: { "7.0": { ebx: AVX2 | AVX512 } } })).toEqual(["hasAvx2"])
  expect(setsOf({ leaves: { "1.0": { ecx: bits(27, 28) } } })).toEqual([])
})

test("describeCpu: leaves that the processor does not have are not believed", () => {
  expect(setsOf({ leaves: { "0.0": { eax: 6 } } })).toEqual([])
  expect(setsOf({ leaves: { "7.0": { eax: 0, ebx: AVX2 } } })).toEqual(["hasAvx2"])
})

test("describeCpu: the system is asked for tiles once, and only where there are some", () => {
  const [denied, without] = [probeOf({ isTilePermitted: false }), probeOf({ xcr0: 0xe7 })]
  expect([describeCpu(denied).hasAmxInt8, denied.asked]).toEqual([false, 1])
  expect([describeCpu(without).hasAmxInt8, without.asked]).toEqual([false, 0])
})

test("describeCpu: reads brand and caches as AMD lists them, leaving out that of instructions", () => {
  const cache = (type: number, level: number, ways: number, sets: number) => ({
    eax: type | (level << 5),
    ebx: ((ways - 1) << 22) | 63,
    ecx: sets - 1,
  })
  const { brand, cacheBytes } = describeCpu(
    probeOf({
      leaves: {
        [`${0x80000000}.0`]: { eax: 0x80000021 | 0 },
        [`${0x80000001}.0`]: { ecx: bits(22) },
        [`${0x80000002}.0`]: { eax: 0x656e695a, ebx: 0x3520 },
        [`${0x8000001d}.0`]: cache(1, 1, 12, 64),
        [`${0x8000001d}.1`]: cache(2, 1, 8, 64),
        [`${0x8000001d}.2`]: cache(3, 2, 16, 1024),
        [`${0x8000001d}.3`]: cache(3, 3, 16, 32768),
      },
    }),
  )
  expect(brand).toBe("Zine 5")
  expect(cacheBytes).toEqual([48 << 10, 1 << 20, 32 << 20])
})

describe.skipIf(process.platform !== "linux" || process.arch !== "x64")("on this machine", () => {
  test("detectCpu: agrees with what Linux lists", () => {
    const text = readFileSync("/proc/cpuinfo", "utf8")
    const field = (name: string): string => new RegExp(`^${name}\\s*: (.*)$`, "m").exec(text)![1]!
    const flags = new Set(field("flags").split(" "))
    const has = (...names: string[]): boolean => names.every((name) => flags.has(name))
    const cpu = detectCpu()!
    const hasAvx512 = has("avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni")
    expect(cpu).toMatchObject({
      vendor: field("vendor_id"),
      brand: field("model name"),
      hasAvx2: has("avx2", "fma"),
      hasAvxVnni: has("avx_vnni"),
      hasAvx512,
    })
    // Linux may list tiles and still deny them.
    expect(cpu.hasAmxInt8 && !has("amx_tile", "amx_int8")).toBe(false)
    expect(cpu.cacheBytes.every((bytes) => bytes >= 4096)).toBe(true)
  })
})

test.skipIf(process.arch === "x64")("detectCpu: knows nothing of other processors", () => {
  expect(detectCpu()).toBeUndefined()
})
