import { expect, test } from "bun:test"
import { Assembler } from "../src/x64/Assembler.ts"
import { addressArgument, broadcastArgument, emitKernel, loadArgument, scratchAddress } from "../src/x64/kernelAbi.ts"
import { at, atIndex, r12, r13, r14, r15, rax, rbp, rbx, rcx, rsp } from "../src/x64/registers.ts"
import { describeEachWidth } from "./describeEachWidth.ts"

const SCRATCH_BYTES = 64

describeEachWidth("emitted code", SCRATCH_BYTES, (vectorBytes, runner) => {
  const lanes = vectorBytes / 4

  test("adds vectors: scaled indexes, short and long displacements, the last register and constants", () => {
    const places = { a: 1, b: 2, out: 3, numVectors: 4 } as const
    const asm = new Assembler(vectorBytes)
    const last = asm.numRegisters - 1
    emitKernel(asm, () => {
      addressArgument(asm, r12, places.a)
      addressArgument(asm, r13, places.b)
      addressArgument(asm, rbp, places.out)
      loadArgument(asm, rcx, places.numVectors)
      asm.mov(r15, 0)
      asm.times(rcx, () => {
        // Far displacements of both signs meet on the way to the same place.
        asm.lea(rax, atIndex(r12, r15, 4, 1 << 20))
        asm.vmovups(last, at(rax, -(1 << 20)))
        asm.vaddps(last, last, atIndex(r13, r15, 4, vectorBytes))
        asm.vmulps(0, last, asm.lanesOf(2))
        asm.vbroadcastss(1, asm.f32(1))
        asm.vaddps(0, 0, 1)
        asm.vstoreups(atIndex(rbp, r15, 4), 0)
        asm.add(r15, lanes)
      })
    })
    const run = runner.load(asm.finish(), places)
    const count = 3 * lanes
    const a = runner.place(Float32Array.from({ length: count }, (_, i) => i))
    const b = runner.place(Float32Array.from({ length: count }, (_, i) => 100 * i))
    const out = runner.place(new Float32Array(count))
    run({ a: a.address, b: b.address - vectorBytes, out: out.address, numVectors: 3 })
    expect([...out.values]).toEqual(Array.from({ length: count }, (_, i) => 2 * 101 * i + 1))
  })

  test("integers: a loop with a branch, stack, multiplication and both kinds of argument", () => {
    const places = { count: 1, factor: 2, out: 3 } as const
    const asm = new Assembler(vectorBytes)
    emitKernel(asm, () => {
      const [top, skip] = [asm.label(), asm.label()]
      loadArgument(asm, rbx, places.count)
      broadcastArgument(asm, 5, places.factor)
      addressArgument(asm, r14, places.out)
      asm.sub(rsp, 64)
      asm.mov(r15, 0)
      asm.store(at(rsp, 8), r15)
      asm.bind(top)
      // Odd numbers are left out.
      asm.mov(rax, r15)
      asm.and(rax, 1)
      asm.jumpIf("notEqual", skip)
      asm.mov(rax, r15)
      asm.imul(rax, r15)
      asm.add(rax, at(rsp, 8))
      asm.store(at(rsp, 8), rax)
      asm.bind(skip)
      asm.add(r15, 1)
      asm.cmp(r15, rbx)
      asm.jumpIf("less", top)
      asm.load(rax, at(rsp, 8))
      asm.add(rsp, 64)
      asm.store32(at(r14), rax)
      asm.vstoress(at(r14, 4), 5)
    })
    const run = runner.load(asm.finish(), places)
    const out = runner.place(new Int32Array(2))
    run({ count: 10, factor: -0.25, out: out.address })
    expect(out.values[0]).toBe(4 + 16 + 36 + 64)
    expect(new Float32Array(out.values.buffer, out.values.byteOffset)[1]).toBe(-0.25)
  })

  test("addressArgument: negative addresses lie in the host's scratch memory", () => {
    const places = { from: 1, to: 2 } as const
    const asm = new Assembler(vectorBytes)
    emitKernel(asm, () => {
      addressArgument(asm, r12, places.from)
      addressArgument(asm, r13, places.to)
      asm.load(rax, at(r12))
      asm.store(at(r13), rax)
    })
    const run = runner.load(asm.finish(), places)
    const [source, out] = [runner.place(Float64Array.of(42)), runner.place(new Float64Array(1))]
    for (const offset of [0, 8, 56]) {
      run({ from: source.address, to: scratchAddress(offset) })
      run({ from: scratchAddress(offset), to: out.address })
      expect(out.values[0]).toBe(42)
      out.values[0] = 0
    }
  })
})
