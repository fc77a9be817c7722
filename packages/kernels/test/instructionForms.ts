import type { Assembler, VectorBytes } from "../src/x64/Assembler.ts"

/**
 * What an argument may be. Registers: `r` and `e` general-purpose, read as 64 and 32 bits; `index` one that can be an index; `v` a vector, `h` its half,
 * `x` its 128 bits; `k` an opmask, `t` a tile. `m` is memory, `imm` 32 signed bits, `byte` an immediate of 8, `disp` a displacement.
 */
export type Kind = "r" | "e" | "index" | "v" | "h" | "x" | "k" | "t" | "m" | "imm" | "byte" | "disp"

/** How a method of `Assembler` must decode. */
export interface Form {
  /** The kinds that each argument may be. */
  readonly args: readonly (readonly Kind[])[]
  /** The decoder's text; `{i}` is argument i. */
  readonly text: string
  /** Vector widths that have the instruction; the other one must refuse. */
  readonly widths: readonly VectorBytes[]
}

/** Methods that emit no instruction of their own, or several: they have tests of their own. */
export const NOT_INSTRUCTIONS = [
  "vectorBytes",
  "lanes",
  "numRegisters",
  "size",
  "finish",
  "constant",
  "f32",
  "lanesOf",
  "i32",
  "label",
  "bind",
  "jump",
  "jumpIf",
  "times",
  "push",
  "pop",
] as const satisfies readonly (keyof Assembler)[]

export type InstructionName = Exclude<keyof Assembler, (typeof NOT_INSTRUCTIONS)[number]>

/**
 * Describes a method: its arguments, separated by blanks, a choice of kinds by `|`.
 *
 * @param text the method's name and all arguments in order, unless given
 */
function form(name: string, args: string, text?: string, widths: readonly VectorBytes[] = [32, 64]): Form {
  const kinds = args === "" ? [] : args.split(" ").map((kinds) => kinds.split("|") as Kind[])
  const all = kinds.map((_, i) => `{${i}}`).join(",")
  return { args: kinds, text: text ?? `${name} ${all}`.trim(), widths }
}

const AVX512: readonly VectorBytes[] = [64]
const AVX2: readonly VectorBytes[] = [32]

/** Returns every instruction of `Assembler` and the text that it must decode to at `vectorBytes`. */
export function instructionForms(vectorBytes: VectorBytes): Record<InstructionName, Form> {
  return {
    call: form("call", "r"),
    ret: form("ret", ""),
    pause: form("pause", ""),
    mov: form("mov", "r r|imm"),
    mov32: form("mov32", "e e", "mov {0},{1}"),
    load: form("load", "r m", "mov {0},{1}"),
    load32: form("load32", "e m", "mov {0},{1}"),
    movsxd: form("movsxd", "r m"),
    store: form("store", "m r", "mov {0},{1}"),
    store32: form("store32", "m e", "mov {0},{1}"),
    lea: form("lea", "r m"),
    add: form("add", "r r|m|imm"),
    and: form("and", "r r|m|imm"),
    sub: form("sub", "r r|m|imm"),
    cmp: form("cmp", "r r|m|imm"),
    test: form("test", "r r"),
    neg: form("neg", "r"),
    shl: form("shl", "r byte"),
    shr: form("shr", "r byte"),
    imul: form("imul", "r r|m|imm"),
    lockCmpxchg: form("lockCmpxchg", "m r", "lock cmpxchg {0},{1}"),
    lockInc: form("lockInc", "m", "lock inc {0}"),
    cvttsd2si: form("cvttsd2si", "r m"),
    prefetcht0: form("prefetcht0", "m"),
    prefetcht1: form("prefetcht1", "m"),
    cpuid: form("cpuid", ""),
    xgetbv: form("xgetbv", ""),
    syscall: form("syscall", ""),

    vmovups: form("vmovups", "v v|m"),
    vstoreups: form("vstoreups", "m v", "vmovups {0},{1}"),
    vstoress: form("vstoress", "m x", "vmovss {0},{1}"),
    vcvtsd2ss: form("vcvtsd2ss", "x m", "vcvtsd2ss {0},{0},{1}"),
    vbroadcastss: form("vbroadcastss", "v x|m"),
    vmovdToGpr: form("vmovdToGpr", "e x", "vmovd {0},{1}"),
    vmovdFromGpr: form("vmovdFromGpr", "x e", "vmovd {0},{1}"),
    vpmovzxbd: form("vpmovzxbd", "v x|m"),
    vpmovzxdq: form("vpmovzxdq", "v h|m"),

    vaddps: form("vaddps", "v v v|m"),
    vsubps: form("vsubps", "v v v|m"),
    vmulps: form("vmulps", "v v v|m"),
    vdivps: form("vdivps", "v v v|m"),
    vmaxps: form("vmaxps", "v v v|m"),
    vminps: form("vminps", "v v v|m"),
    vsqrtps: form("vsqrtps", "v v|m"),
    vfmadd231ps: form("vfmadd231ps", "v v v|m"),
    vfmadd213ps: form("vfmadd213ps", "v v v|m"),
    vfnmadd231ps: form("vfnmadd231ps", "v v v|m"),
    vroundps: form("vroundps", "v v", `${vectorBytes === 64 ? "vrndscaleps" : "vroundps"} {0},{1},0`),
    vcvtps2dq: form("vcvtps2dq", "v v|m"),
    vcvtdq2ps: form("vcvtdq2ps", "v v|m"),
    vpermilps: form("vpermilps", "v v byte"),
    vunpcklps: form("vunpcklps", "v v v"),
    vunpckhps: form("vunpckhps", "v v v"),
    vshufps: form("vshufps", "v v v byte"),
    vshuff32x4: form("vshuff32x4", "v v v byte", undefined, AVX512),
    vperm2f128: form("vperm2f128", "v v v byte", undefined, AVX2),

    vpaddd: form("vpaddd", "v v v|m"),
    vpsubd: form("vpsubd", "v v v|m"),
    vpaddb: form("vpaddb", "v v v|m"),
    vpaddw: form("vpaddw", "v v v|m"),
    vpmullw: form("vpmullw", "v v v|m"),
    vpmaddwd: form("vpmaddwd", "v v v|m"),
    vpmaddubsw: form("vpmaddubsw", "v v v|m"),
    vpsignb: form("vpsignb", "v v v|m", undefined, AVX2),
    vpabsb: form("vpabsb", "v v|m"),
    vpshufb: form("vpshufb", "v v v|m"),
    vpand: form("vpand", "v v v|m", vectorBytes === 64 ? "vpandd {0},{1},{2}" : undefined),
    vpor: form("vpor", "v v v|m", vectorBytes === 64 ? "vpord {0},{1},{2}" : undefined),
    vpxor: form("vpxor", "v v v|m", vectorBytes === 64 ? "vpxord {0},{1},{2}" : undefined),
    vpsrld: form("vpsrld", "v v byte"),
    vpslld: form("vpslld", "v v byte"),
    vpsrad: form("vpsrad", "v v byte"),
    vpmaxsd: form("vpmaxsd", "v v v|m"),
    vpdpbusd: form("vpdpbusd", "v v v|m"),
    vpdpwssd: form("vpdpwssd", "v v v|m"),
    vpmovsdb: form("vpmovsdb", "m v", undefined, AVX512),
    vstoreLow64: form("vstoreLow64", "m x", "vmovq {0},{1}"),
    vpackssdw: form("vpackssdw", "v v v"),
    vpacksswb: form("vpacksswb", "v v v"),
    vpermd: form("vpermd", "v v v|m"),
    vzeroupper: form("vzeroupper", ""),

    vpbroadcastdFromGpr: form("vpbroadcastdFromGpr", "v e", "vpbroadcastd {0},{1}", AVX512),
    vpcmpgtd: form("vpcmpgtd", "k v v|m", undefined, AVX512),
    vmovupsMasked: form("vmovupsMasked", "v m k", "vmovups {0}{{2}}{z},{1}", AVX512),
    vstoreupsMasked: form("vstoreupsMasked", "m v k", "vmovups {0}{{2}},{1}", AVX512),
    vmaskmovps: form("vmaskmovps", "v v m", undefined, AVX2),
    vmaskstoreps: form("vmaskstoreps", "m v v", "vmaskmovps {0},{1},{2}", AVX2),

    ldtilecfg: form("ldtilecfg", "m"),
    tilerelease: form("tilerelease", ""),
    tilezero: form("tilezero", "t"),
    tileloadd: form("tileloadd", "t r index disp", "tileloadd {0},[{1}+{2}{3}]"),
    tilestored: form("tilestored", "r index t disp", "tilestored [{0}+{1}{3}],{2}"),
    tdpbsud: form("tdpbsud", "t t t"),
  }
}
