import { expect, test } from "bun:test"
import { clampedSwiglu, noise } from "@consilium/tensor"
import { describeEachWidth } from "../../test/describeEachWidth.ts"
import { Assembler, type VectorBytes } from "./Assembler.ts"
import { addressArgument, emitKernel, loadArgument } from "./kernelAbi.ts"
import { at, r8, r9, rax, rcx } from "./registers.ts"
import {
  emitClampedSwiglu,
  emitExp,
  emitExp2,
  emitSilu,
  loadTail,
  reduceLanes,
  selectTail,
  storeTail,
} from "./vectorMath.ts"

const MAP = { x: 1, out: 2, count: 3 } as const
const TAIL = { opmask: 2, vector: 7 }

/** Emits `out[i] = body(x[i])` for `count` values, where `body` works on register 0. */
function emitMap(vectorBytes: VectorBytes, body: (asm: Assembler) => void): Uint8Array {
  const asm = new Assembler(vectorBytes)
  emitKernel(asm, () => {
    addressArgument(asm, r8, MAP.x)
    addressArgument(asm, r9, MAP.out)
    loadArgument(asm, rcx, MAP.count)
    asm.mov(rax, rcx)
    asm.and(rcx, asm.lanes - 1)
    selectTail(asm, rcx, TAIL)
    asm.shr(rax, Math.log2(asm.lanes))
    asm.times(rax, () => {
      asm.vmovups(0, at(r8))
      body(asm)
      asm.vstoreups(at(r9), 0)
      asm.add(r8, asm.vectorBytes)
      asm.add(r9, asm.vectorBytes)
    })
    loadTail(asm, 0, at(r8), TAIL)
    body(asm)
    storeTail(asm, at(r9), 0, TAIL)
  })
  return asm.finish()
}

describeEachWidth("vectorMath", 0, (vectorBytes, runner) => {
  const lanes = vectorBytes / 4
  const map = (body: (asm: Assembler) => void) => {
    const run = runner.load(emitMap(vectorBytes, body), MAP)
    return (values: Float32Array): Float32Array => {
      const [x, out] = [runner.place(values), runner.place(new Float32Array(values.length))]
      run({ x: x.address, out: out.address, count: values.length })
      return out.values
    }
  }
  const exp = map((asm) => emitExp(asm, 0, [1, 2]))
  const exp2 = map((asm) => emitExp2(asm, 0, [1, 2]))
  const silu = map((asm) => emitSilu(asm, 0, [1, 2, 3]))

  test("tails: every count is mapped whole, and nothing beside it is touched", () => {
    const copy = map(() => {})
    for (let count = 0; count <= 3 * lanes; count++) {
      const values = noise(count, count, 1)
      expect([...copy(values)]).toEqual([...values])
    }
  })

  test("selectTail: no lanes at 0 and below, all from `lanes` on", () => {
    const asm = new Assembler(vectorBytes)
    emitKernel(asm, () => {
      addressArgument(asm, r8, MAP.x)
      addressArgument(asm, r9, MAP.out)
      loadArgument(asm, rcx, MAP.count)
      selectTail(asm, rcx, TAIL)
      loadTail(asm, 0, at(r8), TAIL)
      asm.vstoreups(at(r9), 0)
    })
    const run = runner.load(asm.finish(), MAP)
    const [x, out] = [runner.place(new Float32Array(lanes).fill(1)), runner.place(new Float32Array(lanes))]
    for (const count of [-1000, -1, 0, 1, lanes - 1, lanes, lanes + 1, 1000]) {
      run({ x: x.address, out: out.address, count })
      expect([...out.values]).toEqual(Array.from({ length: lanes }, (_, lane) => (lane < count ? 1 : 0)))
    }
  })

  test("reduceLanes: every lane holds the sum, the maximum, the largest integer", () => {
    const values = noise(lanes, 5, 1)
    for (const [op, expected] of [
      ["vaddps", values.reduce((a, b) => a + b)],
      ["vmaxps", Math.max(...values)],
    ] as const) {
      const found = map((asm) => reduceLanes(asm, op, 0, 1))(values)
      expect(found.every((value) => value === found[0])).toBe(true)
      expect(found[0]).toBeCloseTo(expected, 6)
    }
    const integers = Int32Array.from({ length: lanes }, (_, i) => ((i * 7) % lanes) - 3)
    const found = map((asm) => reduceLanes(asm, "vpmaxsd", 0, 1))(new Float32Array(integers.buffer))
    expect([...new Int32Array(found.buffer, found.byteOffset, lanes)]).toEqual(
      Array.from({ length: lanes }, () => lanes - 4),
    )
  })

  test("emitExp: within 6e-6 of the value, and exact at 0", () => {
    expect(worstError(exp, Math.exp, -87, 88)).toBeLessThan(6e-6)
    expect(worstError(exp, Math.exp, -1, 1)).toBeLessThan(3e-7)
    expect(exp(Float32Array.of(0))[0]).toBe(1)
  })

  test("emitExp2: within 3e-7 of the value", () => {
    expect(worstError(exp2, (x) => 2 ** x, -126, 127.4)).toBeLessThan(3e-7)
  })

  test("emitExp, emitExp2: vanish below their range, and keep NaN", () => {
    for (const power of [exp, exp2]) {
      const [...small] = power(Float32Array.of(-127, -1000, -3.4e38, Number.NEGATIVE_INFINITY))
      expect(small.every((value) => value >= 0 && value < 1.3e-38)).toBe(true)
      expect(power(Float32Array.of(Number.NaN))[0]).toBeNaN()
    }
  })

  test("emitSilu: within 1e-6 of x · sigmoid(x), and the same at the ends", () => {
    const reference = (x: number): number => x / (1 + Math.exp(-x))
    expect(worstError(silu, reference, -10, 80)).toBeLessThan(1e-6)
    const values = Float32Array.from({ length: 4096 }, (_, i) => -90 + i / 51)
    const found = silu(values)
    expect(Math.max(...found.map((value, i) => Math.abs(value - reference(values[i]!))))).toBeLessThan(1e-5)
    expect([...silu(Float32Array.of(0, 1e30, Number.POSITIVE_INFINITY))]).toEqual([
      0,
      Math.fround(1e30),
      Number.POSITIVE_INFINITY,
    ])
    expect(Math.abs(silu(Float32Array.of(-1e4))[0]!)).toBeLessThan(1e-30)
    expect(silu(Float32Array.of(Number.NaN))[0]).toBeNaN()
  })

  test("emitClampedSwiglu: the plain formula within the limit and beyond it on both sides; NaN stays NaN", () => {
    const values = Float32Array.from({ length: 401 }, (_, i) => (i - 200) / 10)
    const withUp = (up: number) =>
      map((asm) => {
        asm.vbroadcastss(4, asm.f32(up))
        emitClampedSwiglu(asm, 0, 4, 7, [1, 2, 3])
      })
    for (const up of [-30, -7, -1, -0.5, 0, 3, 7, 30]) {
      const found = withUp(up)(values)
      const error = found.map((value, i) => Math.abs(value - clampedSwiglu(values[i]!, up, 7)))
      expect(Math.max(...error), `up ${up}`).toBeLessThan(1e-5)
    }
    expect(withUp(1)(Float32Array.of(Number.NaN, 1))[0]).toBeNaN()
    expect(withUp(Number.NaN)(Float32Array.of(1, 30)).every(Number.isNaN)).toBe(true)
  })
})

/** The largest error relative to the value, over `[first, last]`. */
function worstError(
  run: (values: Float32Array) => Float32Array,
  reference: (x: number) => number,
  first: number,
  last: number,
): number {
  const steps = 1 << 18
  const values = Float32Array.from({ length: steps + 1 }, (_, i) => first + ((last - first) * i) / steps)
  const found = run(values)
  let worst = 0
  for (const [i, x] of values.entries()) {
    if (x === 0) continue
    const expected = reference(x)
    const error = Math.abs((found[i]! - expected) / expected)
    if (!(error <= worst)) worst = error
  }
  return worst
}
