import type { Gpr, Label, Mem } from "./registers.ts"

/** A register number or a memory operand. */
export type RegisterOrMem = number | Mem

/** How a vector instruction is encoded; the same numbers serve VEX and EVEX. */
export interface VectorOp {
  /** Opcode map: 1 = 0F, 2 = 0F38, 3 = 0F3A. */
  readonly map: 1 | 2 | 3
  /** Mandatory prefix: 0 = none, 1 = 66, 2 = F3, 3 = F2. */
  readonly prefix: 0 | 1 | 2 | 3
  readonly opcode: number
  /** The W bit of both forms; 0 unless given. */
  readonly w?: 0 | 1
  /** Bytes of a memory operand, which EVEX scales short displacements by; the vector's own unless given. */
  readonly memBytes?: number
}

export interface VectorFields {
  /** Length code: 0 = 128 bits or scalar, 1 = 256, 2 = 512. */
  readonly length: 0 | 1 | 2
  /** Opmask register 1..7, EVEX only; 0 is none. */
  readonly mask?: number
  readonly isZeroing?: boolean
  readonly immediate?: number
}

/** A displacement that waits for its label: relative to the end of its instruction. */
export interface Fixup {
  readonly at: number
  end: number
  readonly label: Label
}

/**
 * A growing run of machine code: prefixes, ModRM, SIB, displacements and immediates. It knows encodings, not mnemonics.
 *
 * @see Intel SDM vol. 2, chapters 2.3 (VEX), 2.7 (EVEX)
 */
export class CodeBytes {
  readonly bytes: number[] = []
  readonly fixups: Fixup[] = []

  emit(...values: number[]): void {
    for (const value of values) this.bytes.push(value & 0xff)
  }

  emit32(value: number): void {
    this.emit(value, value >> 8, value >> 16, value >> 24)
  }

  /** Emits a displacement to a label, relative to the end of the instruction that `body` completes. */
  relative(label: Label): void {
    this.fixups.push({ at: this.bytes.length, end: this.bytes.length + 4, label })
    this.emit32(0)
  }

  /** ModRM, SIB and displacement. `memBytes` scales 8-bit displacements (EVEX); 1 elsewhere. */
  modRm(reg: number, operand: RegisterOrMem, memBytes: number, immediateBytes: number): void {
    const field = (reg & 7) << 3
    if (typeof operand === "number") return this.emit(0xc0 | field | (operand & 7))
    if ("label" in operand) {
      this.emit(field | 5)
      this.relative(operand.label)
      this.fixups.at(-1)!.end += immediateBytes
      return
    }
    const { base, index, scale = 1, disp } = operand
    if (index?.gpr === 4) throw new Error("assembler: rsp is no index")
    const scaled = disp / memBytes
    const isShort = Number.isInteger(scaled) && scaled >= -128 && scaled <= 127
    const mode = disp === 0 && (base.gpr & 7) !== 5 ? 0 : isShort ? 1 : 2
    const needsSib = index !== undefined || (base.gpr & 7) === 4
    this.emit((mode << 6) | field | (needsSib ? 4 : base.gpr & 7))
    if (needsSib) this.emit((Math.log2(scale) << 6) | ((index === undefined ? 4 : index.gpr & 7) << 3) | (base.gpr & 7))
    if (mode === 1) this.emit(scaled)
    if (mode === 2) this.emit32(disp)
  }

  /** A scalar instruction: `[prefix] REX opcode ModRM [immediate]`. `is64` sets REX.W. */
  scalar(
    opcode: readonly number[],
    reg: number,
    operand: RegisterOrMem,
    { is64 = true, prefix, immediate }: { is64?: boolean; prefix?: number; immediate?: readonly number[] } = {},
  ): void {
    const { x, b } = extensions(operand)
    const rex = 0x40 | (is64 ? 8 : 0) | ((reg >> 3) << 2) | (x << 1) | b
    if (prefix !== undefined) this.emit(prefix)
    if (rex !== 0x40) this.emit(rex)
    this.emit(...opcode)
    this.modRm(reg, operand, 1, immediate?.length ?? 0)
    if (immediate !== undefined) this.emit(...immediate)
  }

  /** A VEX instruction; registers 0..15. */
  vex(
    { map, prefix, opcode, w = 0 }: VectorOp,
    reg: number,
    second: number,
    operand: RegisterOrMem,
    of: VectorFields,
  ): void {
    if (reg > 15 || second > 15 || (typeof operand === "number" && operand > 15))
      throw new Error(`vex: registers ${reg}, ${second} must be below 16`)
    const { x, b } = extensions(operand)
    this.emit(
      0xc4,
      (bit(~(reg >> 3)) << 7) | (bit(~x) << 6) | (bit(~b) << 5) | map,
      (w << 7) | ((~second & 15) << 3) | (of.length << 2) | prefix,
      opcode,
    )
    this.operands(reg, operand, 1, of.immediate)
  }

  /** An EVEX instruction; registers 0..31. */
  evex(op: VectorOp, reg: number, second: number, operand: RegisterOrMem, of: VectorFields): void {
    const { map, prefix, opcode, w = 0, memBytes = 16 << of.length } = op
    if (reg > 31 || second > 31 || (typeof operand === "number" && operand > 31))
      throw new Error(`evex: registers ${reg}, ${second} must be below 32`)
    const { x, b } = extensions(operand)
    const high = typeof operand === "number" ? bit(operand >> 4) : x
    this.emit(
      0x62,
      (bit(~(reg >> 3)) << 7) | (bit(~high) << 6) | (bit(~b) << 5) | (bit(~(reg >> 4)) << 4) | map,
      (w << 7) | ((~second & 15) << 3) | 4 | prefix,
      ((of.isZeroing === true ? 1 : 0) << 7) | (of.length << 5) | (bit(~(second >> 4)) << 3) | (of.mask ?? 0),
      opcode,
    )
    this.operands(reg, operand, memBytes, of.immediate)
  }

  private operands(reg: number, operand: RegisterOrMem, memBytes: number, immediate: number | undefined): void {
    this.modRm(reg, operand, memBytes, immediate === undefined ? 0 : 1)
    if (immediate !== undefined) this.emit(immediate)
  }
}

function bit(value: number): number {
  return value & 1
}

/** The high bits of an operand's registers: X of the index, B of the base or register. */
function extensions(operand: RegisterOrMem): { x: number; b: number } {
  if (typeof operand === "number") return { x: 0, b: bit(operand >> 3) }
  if ("label" in operand) return { x: 0, b: 0 }
  const high = (register: Gpr | undefined): number => (register === undefined ? 0 : register.gpr >> 3)
  return { x: high(operand.index), b: high(operand.base) }
}
