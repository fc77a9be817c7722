import type { Assembler } from "../src/x64/Assembler.ts"
import { at, atIndex, type Gpr, type Mem } from "../src/x64/registers.ts"
import type { Kind } from "./instructionForms.ts"

/** An argument of an instruction. */
export interface Operand {
  readonly value: Gpr | Mem | number
  /** How the decoder writes it; a constant's address is known when the code is complete. */
  text(): string
}

/** The general-purpose registers by number. */
export const GPR_NAMES = "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split(" ")
export const RSP = 4

/** Displacements on both sides of every limit: 8 bits, 8 bits times each size of operand, 32 bits. */
const NEAR = [1, 4, 8, 16, 32, 64].flatMap((unit) => [unit, 127 * unit, -128 * unit, 128 * unit, -129 * unit])
const FAR = [2 ** 31 - 1, -(2 ** 31)]
const IMMEDIATES = [1, -1, 127, -128, 128, -129, ...FAR]

/** Returns a random operand of a kind. */
export function pickOperand(kind: Kind, asm: Assembler, random: () => number): Operand {
  const below = (count: number): number => Math.floor(random() * count)
  const oneOf = (values: readonly number[]): number => values[below(values.length)]!
  const gpr = below(16)
  const vector = below(asm.numRegisters)
  const [full, half] = asm.vectorBytes === 64 ? ["zmm", "ymm"] : ["ymm", "xmm"]
  switch (kind) {
    case "r":
      return fixed({ gpr }, GPR_NAMES[gpr]!)
    case "e":
      return fixed({ gpr }, gpr < 8 ? `e${GPR_NAMES[gpr]!.slice(1)}` : `${GPR_NAMES[gpr]}d`)
    case "index":
      return gpr === RSP ? pickOperand(kind, asm, random) : fixed({ gpr }, GPR_NAMES[gpr]!)
    case "v":
      return fixed(vector, `${full}${vector}`)
    case "h":
      return fixed(vector, `${half}${vector}`)
    case "x":
      return fixed(vector, `xmm${vector}`)
    case "k":
      return named("k", 1 + below(7))
    case "t":
      return named("tmm", below(8))
    case "m": {
      if (below(8) === 0) return memoryOperand(asm.f32(below(100)))
      const index = { gpr: below(16) }
      const disp = oneOf([0, ...NEAR, ...FAR, below(2 ** 20) - 2 ** 19])
      if (below(2) === 0 || index.gpr === RSP) return memoryOperand(at({ gpr }, disp))
      return memoryOperand(atIndex({ gpr }, index, oneOf([1, 2, 4, 8]) as 1 | 2 | 4 | 8, disp))
    }
    case "imm":
      return named("", oneOf(IMMEDIATES))
    case "byte": {
      const value = below(256)
      return fixed(value, `${(value << 24) >> 24}`)
    }
    case "disp": {
      const disp = oneOf([0, ...NEAR, ...FAR])
      return fixed(disp, signed(disp))
    }
  }
}

/** Returns a memory operand with its text. */
export function memoryOperand(mem: Mem): Operand {
  if ("label" in mem) return { value: mem, text: () => `[${mem.label.offset}]` }
  const { base, index, scale = 1, disp } = mem
  const indexed = index === undefined ? "" : `+${GPR_NAMES[index.gpr]}${scale === 1 ? "" : `*${scale}`}`
  return fixed(mem, `[${GPR_NAMES[base.gpr]}${indexed}${signed(disp)}]`)
}

function fixed(value: Gpr | Mem | number, text: string): Operand {
  return { value, text: () => text }
}

function named(prefix: string, value: number): Operand {
  return fixed(value, `${prefix}${value}`)
}

function signed(value: number): string {
  if (value === 0) return ""
  return value < 0 ? `${value}` : `+${value}`
}
