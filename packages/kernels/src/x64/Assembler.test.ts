import { describe, expect, test } from "bun:test"
import { createRandom } from "@consilium/tensor"
import {
  CpuidFeature,
  Decoder,
  EncodingKind,
  Formatter,
  FormatterSyntax,
  type Instruction,
  MemorySizeExt,
  MemorySizeOptions,
} from "iced-x86"
import { type Form, instructionForms, type InstructionName, NOT_INSTRUCTIONS } from "../../test/instructionForms.ts"
import { GPR_NAMES, memoryOperand, type Operand, pickOperand, RSP } from "../../test/pickOperand.ts"
import { Assembler, type Condition, type VectorBytes } from "./Assembler.ts"
import { at, atIndex, type Mem, r8, r12, rax, rbx, rcx, rsp } from "./registers.ts"

const formatter = new Formatter(FormatterSyntax.Intel)
formatter.numberBase = 10
formatter.memorySizeOptions = MemorySizeOptions.Never
formatter.signedImmediateOperands = true
formatter.signedMemoryDisplacements = true
formatter.showBranchSize = false

/** Completes the code and decodes what stands before its constants. */
function decode(asm: Assembler): Instruction[] {
  const { size } = asm
  return new Decoder(64, asm.finish().subarray(0, size), 0).decodeAll()
}

function textsOf(emit: (asm: Assembler) => void): string[] {
  const asm = new Assembler(64)
  emit(asm)
  return decode(asm).map((instruction) => formatter.format(instruction))
}

/** Emits an instruction and returns the text that it must decode to, once the code is complete. */
function emit(asm: Assembler, name: InstructionName, form: Form, operands: readonly Operand[]): () => string {
  const method = asm[name] as (...args: Operand["value"][]) => void
  method.apply(
    asm,
    operands.map(({ value }) => value),
  )
  return () => form.text.replaceAll(/\{(\d)\}/g, (_, i: string) => operands[Number(i)]!.text())
}

function emitRandom(asm: Assembler, name: InstructionName, form: Form, random: () => number): () => string {
  const operands = form.args.map((kinds) => pickOperand(kinds[Math.floor(random() * kinds.length)]!, asm, random))
  // The tiles of a product must differ.
  const isLegal = name !== "tdpbsud" || new Set(operands.map(({ value }) => value)).size === 3
  return isLegal ? emit(asm, name, form, operands) : emitRandom(asm, name, form, random)
}

/** Expects that the code decodes to `asked`, instruction by instruction, encoded as its machine and the shortest way want it. */
function expectDecodes(asm: Assembler, name: InstructionName, asked: readonly (() => string)[], hint: string): void {
  const instructions = decode(asm)
  const decoded = instructions.map((instruction) => formatter.format(instruction))
  const texts = asked.map((text) => text())
  const first = texts.findIndex((text, i) => text !== decoded[i])
  expect(decoded[first], `${name}, instruction ${first}, ${hint}`).toBe(texts[first])
  expect(decoded.length, `${name}, ${hint}`).toBe(texts.length)
  const faults = instructions.map((instruction) => encodingFault(name, instruction, asm.vectorBytes))
  const faulty = faults.findIndex((fault) => fault !== undefined)
  expect(faults[faulty], `${decoded[faulty]}, ${hint}`).toBeUndefined()
}

/** What vector code may ask of the machine. */
const FEATURES: Record<VectorBytes, readonly CpuidFeature[]> = {
  32: [CpuidFeature.AVX, CpuidFeature.AVX2, CpuidFeature.FMA, CpuidFeature.AVX_VNNI],
  64: [
    CpuidFeature.AVX,
    CpuidFeature.AVX512F,
    CpuidFeature.AVX512BW,
    CpuidFeature.AVX512DQ,
    CpuidFeature.AVX512VL,
    CpuidFeature.AVX512_VNNI,
  ],
}

/** Says what is wrong with how an instruction is encoded, if anything. */
function encodingFault(name: string, instruction: Instruction, vectorBytes: VectorBytes): string | undefined {
  if (name.startsWith("v")) {
    const alien = instruction.cpuidFeatures().find((feature) => !FEATURES[vectorBytes].includes(feature))
    if (alien !== undefined) return `needs ${CpuidFeature[alien]}`
    const wanted = vectorBytes === 64 && name !== "vzeroupper" ? EncodingKind.EVEX : EncodingKind.VEX
    if (instruction.encoding !== wanted) return `is ${EncodingKind[instruction.encoding]}`
  }
  if (instruction.memoryDisplSize < 4 || instruction.isIpRelMemoryOperand) return undefined
  const unit = instruction.encoding === EncodingKind.EVEX ? MemorySizeExt.size(instruction.memorySize) : 1
  const units = Number(BigInt.asIntN(64, instruction.memoryDisplacement)) / unit
  const isShort = Number.isInteger(units) && units >= -128 && units <= 127
  return isShort ? `spends 4 bytes on a displacement of ${units} units` : undefined
}

test("Assembler: the table of forms has every public method", () => {
  const internal = ["constructor", "arithmetic", "only", "vector"]
  const methods = Object.getOwnPropertyNames(Assembler.prototype).filter((name) => !internal.includes(name))
  const known: string[] = [...Object.keys(instructionForms(64)), ...NOT_INSTRUCTIONS]
  expect(methods.filter((name) => !known.includes(name))).toEqual([])
})

describe.each([32, 64] as const)("Assembler with %i-byte vectors", (vectorBytes) => {
  const seed = Math.floor(Math.random() * 2 ** 31)
  const forms = Object.entries(instructionForms(vectorBytes)) as [InstructionName, Form][]

  test("every instruction decodes to what was asked, with random operands", () => {
    const random = createRandom(seed)
    for (const [name, form] of forms.filter(([, { widths }]) => widths.includes(vectorBytes))) {
      const asm = new Assembler(vectorBytes)
      const asked = Array.from({ length: 400 }, () => emitRandom(asm, name, form, random))
      expectDecodes(asm, name, asked, `seed ${seed}`)
    }
  })

  test("an instruction of the other width is refused", () => {
    const random = createRandom(seed)
    for (const [name, form] of forms.filter(([, { widths }]) => !widths.includes(vectorBytes)))
      expect(() => emitRandom(new Assembler(vectorBytes), name, form, random), name).toThrow("wants")
  })

  test.each(["load", "vaddps", "vbroadcastss", "vcvtsd2ss", "vpmovzxbd", "vpmovzxdq"] as const)(
    "%s: every base, index and scale",
    (name) => {
      const asm = new Assembler(vectorBytes)
      const form = instructionForms(vectorBytes)[name]
      const others = form.args.slice(0, -1).map(([kind]) => pickOperand(kind!, asm, () => 0.99))
      const asked = addresses().map((mem) => emit(asm, name, form, [...others, memoryOperand(mem)]))
      expectDecodes(asm, name, asked, "systematic")
    },
  )
})

/** Memory operands of every base, with and without every index and scale. */
function addresses(): Mem[] {
  const registers = [...GPR_NAMES.keys()].map((gpr) => ({ gpr }))
  const indexes = registers.filter(({ gpr }) => gpr !== RSP)
  return registers.flatMap((base) =>
    [0, 64, -1, 8192].flatMap((disp) => [
      at(base, disp),
      ...indexes.flatMap((index) => ([1, 2, 4, 8] as const).map((scale) => atIndex(base, index, scale, disp))),
    ]),
  )
}

test("Assembler: registers that an instruction cannot name are refused", () => {
  expect(() => new Assembler(64).load(rax, atIndex(rax, rsp))).toThrow("rsp")
  expect(() => new Assembler(32).vaddps(16, 0, 0)).toThrow("below 16")
  expect(() => new Assembler(32).vaddps(0, 0, 16)).toThrow("below 16")
  expect(() => new Assembler(64).vaddps(0, 32, 0)).toThrow("below 32")
})

test("mov: 0 is written by the shortest instruction, and what needs more than 32 bits is refused", () => {
  expect(textsOf((asm) => asm.mov(r12, 0))).toEqual(["xor r12d,r12d"])
  expect(() => textsOf((asm) => asm.mov(rax, 2 ** 31))).toThrow("2147483648 does not fit 32 bits")
})

test("push and pop: registers come back in reverse", () => {
  const texts = textsOf((asm) => {
    asm.push(rbx, r12)
    asm.pop(rbx, r12)
  })
  expect(texts).toEqual(["push rbx", "push r12", "pop r12", "pop rbx"])
})

const CONDITIONS: Record<Condition, string> = {
  below: "jb",
  aboveOrEqual: "jae",
  equal: "je",
  notEqual: "jne",
  belowOrEqual: "jbe",
  above: "ja",
  less: "jl",
  greaterOrEqual: "jge",
  lessOrEqual: "jle",
  greater: "jg",
}

test.each(Object.entries(CONDITIONS) as [Condition, string][])(
  "jumpIf %s: reaches labels either way",
  (condition, mnemonic) => {
    const texts = textsOf((asm) => {
      const [top, end] = [asm.label(), asm.label()]
      asm.bind(top)
      asm.jump(end)
      asm.jumpIf(condition, top)
      asm.jumpIf(condition, end)
      asm.bind(end)
      asm.ret()
    })
    expect(texts).toEqual(["jmp 17", `${mnemonic} 0`, `${mnemonic} 17`, "ret"])
  },
)

test("times: tests its counter first", () => {
  const texts = textsOf((asm) => asm.times(r8, () => asm.pause()))
  expect(texts).toEqual(["test r8,r8", "je 21", "pause", "sub r8,1", "jne 9"])
})

test("finish: a label that was never bound is an error", () => {
  expect(() => textsOf((asm) => asm.jump(asm.label()))).toThrow("never bound")
})

test("constants: equal bytes are stored once, aligned to 64 behind the code, and found from it", () => {
  const asm = new Assembler(32)
  asm.vaddps(0, 0, asm.lanesOf(1.5))
  asm.vmulps(0, 0, asm.constant(new Float32Array(8).fill(1.5)))
  asm.vbroadcastss(1, asm.f32(2))
  asm.load32(rcx, asm.i32(7))
  const code = asm.finish()
  const view = new DataView(code.buffer)
  const [ones, two, seven] = [64, 128, 192]
  expect(code.length).toBe(seven + 4)
  expect([view.getFloat32(ones, true), view.getFloat32(ones + 28, true)]).toEqual([1.5, 1.5])
  expect([view.getFloat32(two, true), view.getInt32(seven, true)]).toEqual([2, 7])
  const instructions = new Decoder(64, code, 0).decodeAll().slice(0, 4)
  expect(instructions.map((i) => Number(i.memoryDisplacement))).toEqual([ones, ones, two, seven])
})
