import { CodeBytes, type RegisterOrMem, type VectorFields, type VectorOp } from "./encodeInstruction.ts"
import { type Gpr, type Label, type Mem } from "./registers.ts"

/** Condition codes of `jumpIf`; `below` and `above` compare unsigned, `less` and `greater` signed. */
const CONDITIONS = {
  below: 2,
  aboveOrEqual: 3,
  equal: 4,
  notEqual: 5,
  belowOrEqual: 6,
  above: 7,
  less: 12,
  greaterOrEqual: 13,
  lessOrEqual: 14,
  greater: 15,
} as const

export type Condition = keyof typeof CONDITIONS
/** Bytes of a vector register: 64 is AVX-512 (EVEX, 32 registers), 32 is AVX2 (VEX, 16 registers). */
export type VectorBytes = 32 | 64

const REGISTER_ZERO = 0

/**
 * Writes x86-64 machine code, one method an instruction, named as Intel names it.
 *
 * One instance writes for one vector width: a kernel that is described with `lanes` and `vectorBytes` serves AVX-512 and AVX2 alike. Vector registers
 * are plain numbers, general-purpose ones are named. Constants live behind the code and are addressed relative to it, so code can be placed anywhere.
 *
 * Longer than files here are, for it is a list: what instructions have in common is in `CodeBytes`, and a kernel finds all of them under one name.
 */
export class Assembler {
  readonly vectorBytes: VectorBytes
  /** f32 values of a vector register. */
  readonly lanes: 8 | 16
  /** How many vector registers there are. */
  readonly numRegisters: 16 | 32
  protected readonly code = new CodeBytes()
  private readonly constants = new Map<string, { readonly label: Label; readonly bytes: Uint8Array }>()

  constructor(vectorBytes: VectorBytes) {
    this.vectorBytes = vectorBytes
    this.lanes = vectorBytes === 64 ? 16 : 8
    this.numRegisters = vectorBytes === 64 ? 32 : 16
  }

  /** Bytes emitted so far. */
  get size(): number {
    return this.code.bytes.length
  }

  /** Completes the code: places constants behind it and resolves labels. @throws Error on a label that was never bound */
  finish(): Uint8Array {
    const { bytes, fixups } = this.code
    for (const { label, bytes: constant } of this.constants.values()) {
      while (bytes.length % 64 !== 0) bytes.push(0xcc)
      label.offset = bytes.length
      bytes.push(...constant)
    }
    const code = Uint8Array.from(bytes)
    const view = new DataView(code.buffer)
    for (const { at, end, label } of fixups) {
      if (label.offset === undefined) throw new Error("assembler: a label was never bound")
      view.setInt32(at, label.offset - end, true)
    }
    return code
  }

  // Constants

  /** Returns a constant of the code's own: the same bytes are stored once, aligned to 64. */
  constant(values: Float32Array | Int32Array | Int16Array | Uint8Array): Mem {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength).slice()
    const key = bytes.toString()
    const known = this.constants.get(key) ?? { label: { offset: undefined }, bytes }
    this.constants.set(key, known)
    return { label: known.label }
  }

  f32(value: number): Mem {
    return this.constant(Float32Array.of(value))
  }

  /** A constant that fills a whole vector: an operand of arithmetic. */
  lanesOf(value: number): Mem {
    return this.constant(new Float32Array(this.lanes).fill(value))
  }

  i32(value: number): Mem {
    return this.constant(Int32Array.of(value))
  }

  // Flow

  label(): Label {
    return { offset: undefined }
  }

  bind(label: Label): void {
    label.offset = this.size
  }

  jump(label: Label): void {
    this.code.emit(0xe9)
    this.code.relative(label)
  }

  jumpIf(condition: Condition, label: Label): void {
    this.code.emit(0x0f, 0x80 | CONDITIONS[condition])
    this.code.relative(label)
  }

  call(register: Gpr): void {
    this.code.scalar([0xff], 2, register.gpr, { is64: false })
  }

  ret(): void {
    this.code.emit(0xc3)
  }

  /** Runs `body` `counter` times; none where it is 0. */
  times(counter: Gpr, body: () => void): void {
    const [top, end] = [this.label(), this.label()]
    this.test(counter, counter)
    this.jumpIf("equal", end)
    this.bind(top)
    body()
    this.sub(counter, 1)
    this.jumpIf("notEqual", top)
    this.bind(end)
  }

  pause(): void {
    this.code.emit(0xf3, 0x90)
  }

  // Scalars, 64 bits unless the name says 32

  /** Copies a register, or 32 signed bits. A 0 is written by `xor`, which changes the flags. */
  mov(to: Gpr, from: Gpr | number): void {
    if (typeof from !== "number") return this.code.scalar([0x89], from.gpr, to.gpr)
    if (from === 0) return this.code.scalar([0x31], to.gpr, to.gpr, { is64: false })
    this.code.scalar([0xc7], 0, to.gpr, { immediate: immediate32(from) })
  }

  /** Copies the low 32 bits and clears the upper half. */
  mov32(to: Gpr, from: Gpr): void {
    this.code.scalar([0x89], from.gpr, to.gpr, { is64: false })
  }

  load(to: Gpr, from: Mem): void {
    this.code.scalar([0x8b], to.gpr, from)
  }

  /** Loads 32 bits and clears the upper half. */
  load32(to: Gpr, from: Mem): void {
    this.code.scalar([0x8b], to.gpr, from, { is64: false })
  }

  /** Loads 32 bits and extends their sign. */
  movsxd(to: Gpr, from: Mem): void {
    this.code.scalar([0x63], to.gpr, from)
  }

  store(to: Mem, from: Gpr): void {
    this.code.scalar([0x89], from.gpr, to)
  }

  store32(to: Mem, from: Gpr): void {
    this.code.scalar([0x89], from.gpr, to, { is64: false })
  }

  lea(to: Gpr, from: Mem): void {
    this.code.scalar([0x8d], to.gpr, from)
  }

  add(to: Gpr, from: Gpr | number | Mem): void {
    this.arithmetic(0, to, from)
  }

  and(to: Gpr, from: Gpr | number | Mem): void {
    this.arithmetic(4, to, from)
  }

  sub(to: Gpr, from: Gpr | number | Mem): void {
    this.arithmetic(5, to, from)
  }

  cmp(left: Gpr, right: Gpr | number | Mem): void {
    this.arithmetic(7, left, right)
  }

  test(left: Gpr, right: Gpr): void {
    this.code.scalar([0x85], right.gpr, left.gpr)
  }

  neg(to: Gpr): void {
    this.code.scalar([0xf7], 3, to.gpr)
  }

  shl(to: Gpr, bits: number): void {
    this.code.scalar([0xc1], 4, to.gpr, { immediate: [bits] })
  }

  shr(to: Gpr, bits: number): void {
    this.code.scalar([0xc1], 5, to.gpr, { immediate: [bits] })
  }

  imul(to: Gpr, from: Gpr | Mem | number): void {
    if (typeof from === "number") this.code.scalar([0x69], to.gpr, to.gpr, { immediate: immediate32(from) })
    else this.code.scalar([0x0f, 0xaf], to.gpr, operandOf(from))
  }

  push(...registers: readonly Gpr[]): void {
    for (const { gpr } of registers) this.code.emit(...(gpr > 7 ? [0x41] : []), 0x50 | (gpr & 7))
  }

  /** Pops in reverse: the same list as `push`. */
  pop(...registers: readonly Gpr[]): void {
    for (const { gpr } of registers.toReversed()) this.code.emit(...(gpr > 7 ? [0x41] : []), 0x58 | (gpr & 7))
  }

  /** Stores `from` where memory holds what rax holds, else loads it into rax, in one indivisible step; sets "equal" where it stored. */
  lockCmpxchg(to: Mem, from: Gpr): void {
    this.code.emit(0xf0)
    this.code.scalar([0x0f, 0xb1], from.gpr, to)
  }

  lockInc(to: Mem): void {
    this.code.emit(0xf0)
    this.code.scalar([0xff], 0, to)
  }

  /** Truncates an f64 in memory to an integer. */
  cvttsd2si(to: Gpr, from: Mem): void {
    this.code.scalar([0x0f, 0x2c], to.gpr, from, { prefix: 0xf2 })
  }

  prefetcht0(from: Mem): void {
    this.code.scalar([0x0f, 0x18], 1, from, { is64: false })
  }

  prefetcht1(from: Mem): void {
    this.code.scalar([0x0f, 0x18], 2, from, { is64: false })
  }

  cpuid(): void {
    this.code.emit(0x0f, 0xa2)
  }

  xgetbv(): void {
    this.code.emit(0x0f, 0x01, 0xd0)
  }

  /** Calls the kernel: rax = number, then result; rdi, rsi, rdx = arguments. Changes rcx and r11. */
  syscall(): void {
    this.code.emit(0x0f, 0x05)
  }

  private arithmetic(op: number, to: Gpr, from: Gpr | number | Mem): void {
    if (typeof from !== "number") return this.code.scalar([(op << 3) | 3], to.gpr, operandOf(from))
    const isShort = from >= -128 && from <= 127
    this.code.scalar([isShort ? 0x83 : 0x81], op, to.gpr, { immediate: isShort ? [from] : immediate32(from) })
  }

  // Vectors: moves

  vmovups(to: number, from: RegisterOrMem): void {
    this.vector({ map: 1, prefix: 0, opcode: 0x10 }, to, REGISTER_ZERO, from)
  }

  vstoreups(to: Mem, from: number): void {
    this.vector({ map: 1, prefix: 0, opcode: 0x11 }, from, REGISTER_ZERO, to)
  }

  vstoress(to: Mem, from: number): void {
    this.vector({ map: 1, prefix: 2, opcode: 0x11, memBytes: 4 }, from, REGISTER_ZERO, to, { length: 0 })
  }

  /** Converts the f64 in memory to f32 in lane 0. */
  vcvtsd2ss(to: number, from: Mem): void {
    this.vector({ map: 1, prefix: 3, opcode: 0x5a, w: this.vectorBytes === 64 ? 1 : 0, memBytes: 8 }, to, to, from, {
      length: 0,
    })
  }

  /** Stores the lowest 64 bits of a register. */
  vstoreLow64(to: Mem, from: number): void {
    this.vector(
      { map: 1, prefix: 1, opcode: 0xd6, w: this.vectorBytes === 64 ? 1 : 0, memBytes: 8 },
      from,
      REGISTER_ZERO,
      to,
      { length: 0 },
    )
  }

  vbroadcastss(to: number, from: RegisterOrMem): void {
    this.vector({ map: 2, prefix: 1, opcode: 0x18, memBytes: 4 }, to, REGISTER_ZERO, from)
  }

  vmovdToGpr(to: Gpr, from: number): void {
    this.vector({ map: 1, prefix: 1, opcode: 0x7e }, from, REGISTER_ZERO, to.gpr, { length: 0 })
  }

  vmovdFromGpr(to: number, from: Gpr): void {
    this.vector({ map: 1, prefix: 1, opcode: 0x6e }, to, REGISTER_ZERO, from.gpr, { length: 0 })
  }

  /** Widens `lanes` unsigned bytes to 32 bits. */
  vpmovzxbd(to: number, from: RegisterOrMem): void {
    this.vector({ map: 2, prefix: 1, opcode: 0x31, memBytes: this.vectorBytes / 4 }, to, REGISTER_ZERO, from)
  }

  /** Widens half a vector of unsigned 32-bit lanes to 64 bits: each is followed by a zero. */
  vpmovzxdq(to: number, from: RegisterOrMem): void {
    this.vector({ map: 2, prefix: 1, opcode: 0x35, memBytes: this.vectorBytes / 2 }, to, REGISTER_ZERO, from)
  }

  // Vectors: f32

  vaddps(to: number, a: number, b: RegisterOrMem): void {
    this.vector({ map: 1, prefix: 0, opcode: 0x58 }, to, a, b)
  }

  vsubps(to: number, a: number, b: RegisterOrMem): void {
    this.vector({ map: 1, prefix: 0, opcode: 0x5c }, to, a, b)
  }

  vmulps(to: number, a: number, b: RegisterOrMem): void {
    this.vector({ map: 1, prefix: 0, opcode: 0x59 }, to, a, b)
  }

  vdivps(to: number, a: number, b: RegisterOrMem): void {
    this.vector({ map: 1, prefix: 0, opcode: 0x5e }, to, a, b)
  }

  /** The larger of each pair; `b` where either is NaN. */
  vmaxps(to: number, a: number, b: RegisterOrMem): void {
    this.vector({ map: 1, prefix: 0, opcode: 0x5f }, to, a, b)
  }

  /** The smaller of each pair; `b` where either is NaN. */
  vminps(to: number, a: number, b: RegisterOrMem): void {
    this.vector({ map: 1, prefix: 0, opcode: 0x5d }, to, a, b)
  }

  vsqrtps(to: number, from: RegisterOrMem): void {
    this.vector({ map: 1, prefix: 0, opcode: 0x51 }, to, REGISTER_ZERO, from)
  }

  /** `to += a · b` */
  vfmadd231ps(to: number, a: number, b: RegisterOrMem): void {
    this.vector({ map: 2, prefix: 1, opcode: 0xb8 }, to, a, b)
  }

  /** `to = to · a + b` */
  vfmadd213ps(to: number, a: number, b: RegisterOrMem): void {
    this.vector({ map: 2, prefix: 1, opcode: 0xa8 }, to, a, b)
  }

  /** `to -= a · b` */
  vfnmadd231ps(to: number, a: number, b: RegisterOrMem): void {
    this.vector({ map: 2, prefix: 1, opcode: 0xbc }, to, a, b)
  }

  /** Rounds to whole numbers, half to even. */
  vroundps(to: number, from: number): void {
    // vrndscaleps and vroundps share their opcode; the immediate 0 means the same to both.
    this.vector({ map: 3, prefix: 1, opcode: 0x08 }, to, REGISTER_ZERO, from, { immediate: 0 })
  }

  vcvtps2dq(to: number, from: RegisterOrMem): void {
    this.vector({ map: 1, prefix: 1, opcode: 0x5b }, to, REGISTER_ZERO, from)
  }

  vcvtdq2ps(to: number, from: RegisterOrMem): void {
    this.vector({ map: 1, prefix: 0, opcode: 0x5b }, to, REGISTER_ZERO, from)
  }

  /** Permutes f32 lanes inside each 128 bits. */
  vpermilps(to: number, from: number, immediate: number): void {
    this.vector({ map: 3, prefix: 1, opcode: 0x04 }, to, REGISTER_ZERO, from, { immediate })
  }

  /** Interleaves the lower (upper) f32 pairs of each 128 bits. */
  vunpcklps(to: number, a: number, b: number): void {
    this.vector({ map: 1, prefix: 0, opcode: 0x14 }, to, a, b)
  }

  vunpckhps(to: number, a: number, b: number): void {
    this.vector({ map: 1, prefix: 0, opcode: 0x15 }, to, a, b)
  }

  vshufps(to: number, a: number, b: number, immediate: number): void {
    this.vector({ map: 1, prefix: 0, opcode: 0xc6 }, to, a, b, { immediate })
  }

  /** Picks two of four 128-bit parts from each of `a` and `b`; 512 bits only. */
  vshuff32x4(to: number, a: number, b: number, immediate: number): void {
    this.only(64).vector({ map: 3, prefix: 1, opcode: 0x23 }, to, a, b, { immediate })
  }

  /** Picks two 128-bit halves of `a` and `b`; 256 bits only. */
  vperm2f128(to: number, a: number, b: number, immediate: number): void {
    this.only(32).vector({ map: 3, prefix: 1, opcode: 0x06 }, to, a, b, { immediate })
  }

  // Vectors: integers

  vpaddd(to: number, a: number, b: RegisterOrMem): void {
    this.vector({ map: 1, prefix: 1, opcode: 0xfe }, to, a, b)
  }

  vpsubd(to: number, a: number, b: RegisterOrMem): void {
    this.vector({ map: 1, prefix: 1, opcode: 0xfa }, to, a, b)
  }

  vpaddb(to: number, a: number, b: RegisterOrMem): void {
    this.vector({ map: 1, prefix: 1, opcode: 0xfc }, to, a, b)
  }

  vpaddw(to: number, a: number, b: RegisterOrMem): void {
    this.vector({ map: 1, prefix: 1, opcode: 0xfd }, to, a, b)
  }

  vpmullw(to: number, a: number, b: RegisterOrMem): void {
    this.vector({ map: 1, prefix: 1, opcode: 0xd5 }, to, a, b)
  }

  vpmaddwd(to: number, a: number, b: RegisterOrMem): void {
    this.vector({ map: 1, prefix: 1, opcode: 0xf5 }, to, a, b)
  }

  /** Unsigned bytes of `a` times signed bytes of `b`, neighbours added with 16-bit saturation. */
  vpmaddubsw(to: number, a: number, b: RegisterOrMem): void {
    this.vector({ map: 2, prefix: 1, opcode: 0x04 }, to, a, b)
  }

  /** Gives `a` the signs of `b`; 256 bits only. */
  vpsignb(to: number, a: number, b: RegisterOrMem): void {
    this.only(32).vector({ map: 2, prefix: 1, opcode: 0x08 }, to, a, b)
  }

  vpabsb(to: number, from: RegisterOrMem): void {
    this.vector({ map: 2, prefix: 1, opcode: 0x1c }, to, REGISTER_ZERO, from)
  }

  vpshufb(to: number, a: number, b: RegisterOrMem): void {
    this.vector({ map: 2, prefix: 1, opcode: 0x00 }, to, a, b)
  }

  vpand(to: number, a: number, b: RegisterOrMem): void {
    this.vector({ map: 1, prefix: 1, opcode: 0xdb }, to, a, b)
  }

  vpor(to: number, a: number, b: RegisterOrMem): void {
    this.vector({ map: 1, prefix: 1, opcode: 0xeb }, to, a, b)
  }

  vpxor(to: number, a: number, b: RegisterOrMem): void {
    this.vector({ map: 1, prefix: 1, opcode: 0xef }, to, a, b)
  }

  vpsrld(to: number, from: number, bits: number): void {
    this.vector({ map: 1, prefix: 1, opcode: 0x72 }, 2, to, from, { immediate: bits })
  }

  vpslld(to: number, from: number, bits: number): void {
    this.vector({ map: 1, prefix: 1, opcode: 0x72 }, 6, to, from, { immediate: bits })
  }

  vpsrad(to: number, from: number, bits: number): void {
    this.vector({ map: 1, prefix: 1, opcode: 0x72 }, 4, to, from, { immediate: bits })
  }

  vpmaxsd(to: number, a: number, b: RegisterOrMem): void {
    this.vector({ map: 2, prefix: 1, opcode: 0x3d }, to, a, b)
  }

  /** Adds four products of an unsigned byte of `a` and a signed byte of `b` to each 32-bit lane (AVX-512 VNNI, or AVX-VNNI). */
  vpdpbusd(to: number, a: number, b: RegisterOrMem): void {
    this.vector({ map: 2, prefix: 1, opcode: 0x50 }, to, a, b)
  }

  /** Adds two products of signed words to each 32-bit lane (AVX-512 VNNI, or AVX-VNNI). */
  vpdpwssd(to: number, a: number, b: RegisterOrMem): void {
    this.vector({ map: 2, prefix: 1, opcode: 0x52 }, to, a, b)
  }

  /** Narrows 32-bit lanes to signed bytes with saturation, `lanes` bytes; AVX-512 only. */
  vpmovsdb(to: Mem, from: number): void {
    this.only(64).vector({ map: 2, prefix: 2, opcode: 0x21, memBytes: 16 }, from, REGISTER_ZERO, to)
  }

  /** Narrows the 32-bit lanes of `a`, then `b`, to signed words inside each 128 bits. */
  vpackssdw(to: number, a: number, b: number): void {
    this.vector({ map: 1, prefix: 1, opcode: 0x6b }, to, a, b)
  }

  vpacksswb(to: number, a: number, b: number): void {
    this.vector({ map: 1, prefix: 1, opcode: 0x63 }, to, a, b)
  }

  /** Permutes 32-bit lanes across the register; `control` holds their numbers. 256 bits only. */
  vpermd(to: number, control: number, from: RegisterOrMem): void {
    this.vector({ map: 2, prefix: 1, opcode: 0x36 }, to, control, from)
  }

  vzeroupper(): void {
    this.code.emit(0xc5, 0xf8, 0x77)
  }

  // Vectors: tails. AVX-512 masks with an opmask register, AVX2 with a vector of sign bits.

  /** Copies the low 32 bits of a register to every lane; AVX-512 only. */
  vpbroadcastdFromGpr(to: number, from: Gpr): void {
    this.only(64).vector({ map: 2, prefix: 1, opcode: 0x7c }, to, REGISTER_ZERO, from.gpr)
  }

  /** Sets the bits of opmask `mask` where the signed lane of `a` is greater than that of `b`; AVX-512 only. */
  vpcmpgtd(mask: number, a: number, b: RegisterOrMem): void {
    this.only(64).vector({ map: 1, prefix: 1, opcode: 0x66 }, mask, a, b)
  }

  /** Loads the lanes of opmask `mask`, zero elsewhere; AVX-512 only. */
  vmovupsMasked(to: number, from: Mem, mask: number): void {
    this.only(64).vector({ map: 1, prefix: 0, opcode: 0x10 }, to, REGISTER_ZERO, from, { mask, isZeroing: true })
  }

  vstoreupsMasked(to: Mem, from: number, mask: number): void {
    this.only(64).vector({ map: 1, prefix: 0, opcode: 0x11 }, from, REGISTER_ZERO, to, { mask })
  }

  /** Loads the lanes whose sign bit is set in `mask`, zero elsewhere; AVX2 only. */
  vmaskmovps(to: number, mask: number, from: Mem): void {
    this.only(32).vector({ map: 2, prefix: 1, opcode: 0x2c }, to, mask, from)
  }

  vmaskstoreps(to: Mem, mask: number, from: number): void {
    this.only(32).vector({ map: 2, prefix: 1, opcode: 0x2e }, from, mask, to)
  }

  // Tiles (AMX); registers 0..7

  ldtilecfg(from: Mem): void {
    this.code.vex({ map: 2, prefix: 0, opcode: 0x49 }, 0, 0, from, { length: 0 })
  }

  tilerelease(): void {
    this.code.vex({ map: 2, prefix: 0, opcode: 0x49 }, 0, 0, 0, { length: 0 })
  }

  tilezero(tile: number): void {
    this.code.vex({ map: 2, prefix: 3, opcode: 0x49 }, tile, 0, 0, { length: 0 })
  }

  /** Loads rows that lie `stride` bytes apart, from `base + disp` on. */
  tileloadd(tile: number, base: Gpr, stride: Gpr, disp = 0): void {
    this.code.vex({ map: 2, prefix: 3, opcode: 0x4b }, tile, 0, { base, index: stride, disp }, { length: 0 })
  }

  tilestored(base: Gpr, stride: Gpr, tile: number, disp = 0): void {
    this.code.vex({ map: 2, prefix: 2, opcode: 0x4b }, tile, 0, { base, index: stride, disp }, { length: 0 })
  }

  /** `to[m][n] += Σ_k a[m][k] · b[k][n]`: signed bytes of `a`, unsigned bytes of `b`, four at a time. */
  tdpbsud(to: number, a: number, b: number): void {
    this.code.vex({ map: 2, prefix: 2, opcode: 0x5e }, to, b, a, { length: 0 })
  }

  private only(vectorBytes: VectorBytes): this {
    if (this.vectorBytes !== vectorBytes)
      throw new Error(`assembler: this instruction wants ${vectorBytes}-byte vectors`)
    return this
  }

  private vector(
    op: VectorOp,
    reg: number,
    second: number,
    operand: RegisterOrMem,
    fields: Partial<VectorFields> = {},
  ): void {
    if (this.vectorBytes === 64) this.code.evex(op, reg, second, operand, { length: 2, ...fields })
    else this.code.vex(op, reg, second, operand, { length: 1, ...fields })
  }
}

function operandOf(from: Gpr | Mem): RegisterOrMem {
  return "gpr" in from ? from.gpr : from
}

function immediate32(value: number): number[] {
  if (!Number.isInteger(value) || value < -(2 ** 31) || value >= 2 ** 31)
    throw new Error(`assembler: ${value} does not fit 32 bits`)
  return [value, value >> 8, value >> 16, value >> 24]
}
