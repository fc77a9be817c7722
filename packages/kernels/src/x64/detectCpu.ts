import { type CpuProbe, withCpuProbe } from "./cpuProbe.ts"

/** A processor as kernels see it: an instruction set counts only where processor, system and permission all say yes. */
export interface Cpu {
  /** `GenuineIntel`, `AuthenticAMD`, … */
  readonly vendor: string
  readonly brand: string
  /** AVX2 and FMA. */
  readonly hasAvx2: boolean
  /** AVX-VNNI: `vpdpbusd` on 256 bits in VEX form. */
  readonly hasAvxVnni: boolean
  /** AVX-512 F, BW, DQ, VL and VNNI. */
  readonly hasAvx512: boolean
  /** AMX tiles of 8-bit integers, and `hasAvx512`. */
  readonly hasAmxInt8: boolean
  /** Bytes of the data caches by level, L1 first. A core may share the outer ones. */
  readonly cacheBytes: readonly number[]
}

/**
 * Returns what this processor can run, undefined where it is no x64. Asks Linux for the permission to use AMX, where there is AMX.
 *
 * @throws ExecutableMemoryError where code cannot run, so that nothing can be asked
 */
export function detectCpu(): Cpu | undefined {
  return process.arch === "x64" ? withCpuProbe(describeCpu) : undefined
}

/** Register states that the system saves, as bits of XCR0. */
const YMM_STATE = 0x06
const ZMM_STATE = 0xe6
const TILE_STATE = 0x60000

/** Returns what a probe finds. @see Intel SDM vol. 2, CPUID; vol. 1, §14.3, §15.2, §18.2 (detection of AVX, AVX-512, AMX) */
export function describeCpu(probe: CpuProbe): Cpu {
  const { cpuid } = probe
  const { eax: lastLeaf, ebx, edx, ecx } = cpuid(0)
  const basic = cpuid(1)
  const [extended, more] = lastLeaf >= 7 ? [cpuid(7), cpuid(7, 1)] : [undefined, undefined]
  const xcr0 = hasBits(basic.ecx, 27) ? probe.xcr0() : 0
  const saves = (states: number): boolean => (xcr0 & states) === states
  const hasAvx2 = hasBits(basic.ecx, 12, 28) && hasBits(extended?.ebx, 5) && saves(YMM_STATE)
  const hasAvx512 = hasAvx2 && hasBits(extended?.ebx, 16, 17, 30, 31) && hasBits(extended?.ecx, 11) && saves(ZMM_STATE)
  const hasTiles = hasBits(extended?.edx, 24, 25) && saves(TILE_STATE)
  return {
    vendor: textOf([ebx, edx, ecx]),
    brand: brandOf(probe),
    hasAvx2,
    // Leaf 7 names its last subleaf in eax.
    hasAvxVnni: hasAvx2 && extended!.eax >= 1 && hasBits(more!.eax, 4),
    hasAvx512,
    hasAmxInt8: hasAvx512 && hasTiles && probe.permitTiles(),
    cacheBytes: cachesOf(probe),
  }
}

function hasBits(register: number | undefined, ...bits: readonly number[]): boolean {
  return register !== undefined && bits.every((bit) => ((register >> bit) & 1) === 1)
}

function textOf(registers: readonly number[]): string {
  const text = new TextDecoder("latin1").decode(Int32Array.from(registers))
  return text.replaceAll("\0", "").trim()
}

const LAST_EXTENDED_LEAF = 0x80000000
const BRAND_LEAVES = [0x80000002, 0x80000003, 0x80000004]

function brandOf({ cpuid }: CpuProbe): string {
  if (cpuid(LAST_EXTENDED_LEAF).eax >>> 0 < BRAND_LEAVES.at(-1)!) return ""
  return textOf(BRAND_LEAVES.map((leaf) => cpuid(leaf)).flatMap(({ eax, ebx, ecx, edx }) => [eax, ebx, ecx, edx]))
}

/** Leaf 4 of Intel and this one of AMD list caches alike. */
const AMD_CACHES = 0x8000001d
const MOST_CACHES = 8

function cachesOf({ cpuid }: CpuProbe): number[] {
  const isAmd = cpuid(LAST_EXTENDED_LEAF).eax >>> 0 >= AMD_CACHES && hasBits(cpuid(0x80000001).ecx, 22)
  const leaf = isAmd ? AMD_CACHES : 4
  if (!isAmd && cpuid(0).eax < leaf) return []
  const bytes: number[] = []
  for (let i = 0; i < MOST_CACHES; i++) {
    const { eax, ebx, ecx } = cpuid(leaf, i)
    const [type, level] = [eax & 31, (eax >> 5) & 7]
    // 0 ends the list; 2 is a cache of instructions.
    if (type === 0) break
    const [ways, partitions, line] = [ebx >>> 22, (ebx >>> 12) & 1023, ebx & 4095]
    if (type !== 2) bytes[level - 1] = (ways + 1) * (partitions + 1) * (line + 1) * (ecx + 1)
  }
  return bytes
}
