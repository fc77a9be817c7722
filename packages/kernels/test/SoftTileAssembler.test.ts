import { expect, test } from "bun:test"
import { createRandom } from "@consilium/tensor"
import { addressArgument, emitKernel, loadArgument } from "../src/x64/kernelAbi.ts"
import {
  at,
  type Gpr,
  r8,
  r9,
  r10,
  r11,
  r12,
  r13,
  r14,
  r15,
  rax,
  rbp,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
  rsp,
} from "../src/x64/registers.ts"
import { describeEachWidth } from "./describeEachWidth.ts"
import { SOFT_TILE_BYTES, SoftTileAssembler } from "./SoftTileAssembler.ts"

/** Shapes of a product: rows of a, bytes of a row of a, lanes of b. */
interface Shape {
  readonly rows: number
  readonly bytes: number
  readonly lanes: number
}

const [TO, A, B] = [5, 0, 7]

/** A tile configuration, 64 bytes: tiles `TO`, `A` and `B` for a product. */
function configure({ rows, bytes, lanes }: Shape): Uint8Array {
  const config = new Uint8Array(64)
  const view = new DataView(config.buffer)
  config[0] = 1
  for (const [tile, numRows, rowBytes] of [
    [TO, rows, lanes * 4],
    [A, rows, bytes],
    [B, bytes / 4, lanes * 4],
  ] as const) {
    view.setUint16(16 + tile * 2, rowBytes, true)
    config[48 + tile] = numRows
  }
  return config
}

/** `c[m][n] += Σ_k a[m][k] · b[k / 4][n][k % 4]`, from the manual. */
function multiply(c: Int32Array, a: Int8Array, b: Uint8Array, { rows, bytes, lanes }: Shape): Int32Array {
  const out = c.slice()
  for (let m = 0; m < rows; m++)
    for (let n = 0; n < lanes; n++)
      for (let k = 0; k < bytes; k++)
        out[m * lanes + n]! += a[m * bytes + k]! * b[((k >> 2) * lanes + n) * 4 + (k & 3)]!
  return out
}

const PRODUCT = { config: 1, c: 2, cStride: 3, a: 4, aStride: 5, b: 6, bStride: 7, out: 8 } as const

function emitProduct(asm: SoftTileAssembler): Uint8Array {
  emitKernel(asm, () => {
    addressArgument(asm, rbx, PRODUCT.config)
    addressArgument(asm, r12, PRODUCT.c)
    // Strides in registers that the emulation uses itself.
    loadArgument(asm, r8, PRODUCT.cStride)
    addressArgument(asm, rcx, PRODUCT.a)
    loadArgument(asm, rax, PRODUCT.aStride)
    addressArgument(asm, rdx, PRODUCT.b)
    loadArgument(asm, r9, PRODUCT.bStride)
    addressArgument(asm, r15, PRODUCT.out)
    asm.ldtilecfg(at(rbx))
    asm.tileloadd(TO, r12, r8)
    asm.tileloadd(A, rcx, rax)
    asm.tileloadd(B, rdx, r9, 0)
    asm.tdpbsud(TO, A, B)
    asm.add(r15, 4096)
    asm.tilestored(r15, r8, TO, -4096)
    asm.tilerelease()
  })
  return asm.finish()
}

/** Every tile instruction, of memory at r14 with a stride in r13. */
const INSTRUCTIONS: Readonly<Record<string, (asm: SoftTileAssembler) => void>> = {
  ldtilecfg: (asm) => asm.ldtilecfg(at(rbx)),
  tilezero: (asm) => asm.tilezero(TO),
  tileloadd: (asm) => asm.tileloadd(A, r14, r13),
  tilestored: (asm) => asm.tilestored(r14, r13, TO),
  tdpbsud: (asm) => asm.tdpbsud(TO, A, B),
  tilerelease: (asm) => asm.tilerelease(),
}

const PRESERVED = { config: 1, memory: 2, vectors: 3, found: 4 } as const
/** Registers that hold 1000 and on; the others hold what the code itself needs. */
const GPRS: readonly Gpr[] = [rax, rcx, rdx, rbp, rsi, rdi, r8, r9, r10, r11, r12]

/** Emits: give every register a value, run `instruction`, write what they hold: registers, flags and red zone, vectors, mask. */
function emitPreservation(asm: SoftTileAssembler, instruction: (asm: SoftTileAssembler) => void): void {
  emitKernel(asm, () => {
    const end = asm.label()
    addressArgument(asm, rbx, PRESERVED.config)
    addressArgument(asm, r14, PRESERVED.memory)
    addressArgument(asm, r15, PRESERVED.found)
    addressArgument(asm, rax, PRESERVED.vectors)
    asm.ldtilecfg(at(rbx))
    asm.mov(r13, 64)
    for (let register = 0; register < 32; register++) asm.vmovups(register, at(rax, register * 64))
    // Five lanes of the mask: register 31 holds 496 and on.
    asm.vpcmpgtd(1, 31, asm.constant(Int32Array.from({ length: 16 }, (_, lane) => (lane < 5 ? 0 : 1000))))
    for (const [i, register] of GPRS.entries()) asm.mov(register, 1000 + i)
    asm.store(at(rsp, -128), r13)
    asm.mov(r13, 77)
    asm.store(at(rsp, -8), r13)
    asm.mov(r13, 64)
    // Below, less, not equal.
    asm.cmp(rax, 2000)
    instruction(asm)
    for (const [i, register] of GPRS.entries()) asm.store(at(r15, i * 8), register)
    for (let register = 0; register < 32; register++) asm.vstoreups(at(r15, 256 + register * 64), register)
    asm.vmovupsMasked(0, asm.constant(new Int32Array(16).fill(-1)), 1)
    asm.vstoreups(at(r15, 256 + 32 * 64), 0)
    asm.load(rdx, at(rsp, -8))
    asm.store32(at(r15, 132), rdx)
    for (const condition of ["aboveOrEqual", "equal", "greaterOrEqual"] as const) asm.jumpIf(condition, end)
    asm.mov(rdx, 1)
    asm.store32(at(r15, 128), rdx)
    asm.bind(end)
  })
}

describeEachWidth("SoftTileAssembler", 0, (vectorBytes, runner) => {
  if (vectorBytes !== 64) return
  const tiles = runner.place(new Uint8Array(SOFT_TILE_BYTES))

  test("a product is that of the manual, for every number of rows, bytes and lanes", () => {
    const run = runner.load(emitProduct(new SoftTileAssembler(tiles.address)), PRODUCT)
    const random = createRandom(1)
    const integers = (count: number, low: number, high: number) =>
      Array.from({ length: count }, () => low + Math.floor(random() * (high - low + 1)))
    for (let size = 1; size <= 16; size++) {
      const shape = { rows: size, bytes: 4 * (1 + ((size * 7) % 16)), lanes: 1 + ((size * 5) % 16) }
      const { rows, bytes, lanes } = shape
      const c = runner.place(Int32Array.from(integers(rows * lanes, -(2 ** 20), 2 ** 20)))
      const a = runner.place(Int8Array.from(integers(rows * bytes, -128, 127)))
      const b = runner.place(Uint8Array.from(integers(bytes * lanes, 0, 255)))
      const out = runner.place(new Int32Array(rows * lanes))
      const config = runner.place(configure(shape))
      run({
        config: config.address,
        c: c.address,
        cStride: lanes * 4,
        a: a.address,
        aStride: bytes,
        b: b.address,
        bStride: lanes * 4,
        out: out.address,
      })
      expect([...out.values]).toEqual([...multiply(c.values, a.values, b.values, shape)])
    }
  })

  test("rows lie a stride apart, and what lies between them stays", () => {
    const asm = new SoftTileAssembler(tiles.address)
    emitKernel(asm, () => {
      addressArgument(asm, rbx, PRODUCT.config)
      addressArgument(asm, r12, PRODUCT.c)
      asm.ldtilecfg(at(rbx))
      asm.mov(r13, 20)
      asm.tileloadd(TO, r12, r13)
      // Backwards: row 0 comes last.
      addressArgument(asm, r12, PRODUCT.out)
      asm.mov(r13, -40)
      asm.tilestored(r12, r13, TO, 80)
    })
    const run = runner.load(asm.finish(), { config: PRODUCT.config, c: PRODUCT.c, out: PRODUCT.out })
    const config = runner.place(configure({ rows: 3, bytes: 4, lanes: 2 }))
    const c = runner.place(Int32Array.from({ length: 12 }, (_, i) => i))
    const out = runner.place(new Int32Array(22))
    run({ config: config.address, c: c.address, out: out.address })
    expect([...out.values].map((value, i) => [i, value]).filter(([, value]) => value !== 0)).toEqual([
      [0, 10],
      [1, 11],
      [10, 5],
      [11, 6],
      [21, 1],
    ])
  })

  test("each thread has tiles of its own: another's stay as they are", () => {
    const shared = runner.place(new Uint8Array(SOFT_TILE_BYTES))
    const others = shared.values.subarray(0, 8192)
    // The first set belongs to somebody: its first 8 bytes say who.
    others[0] = 1
    const run = runner.load(emitProduct(new SoftTileAssembler(shared.address)), PRODUCT)
    const shape = { rows: 1, bytes: 4, lanes: 1 }
    const [config, out] = [runner.place(configure(shape)), runner.place(new Int32Array(1))]
    const [c, a, b] = [Int32Array.of(5), Int8Array.of(-1, 2, 3, -128), Uint8Array.of(255, 1, 2, 3)].map(
      (values) => runner.place(values).address,
    ) as [number, number, number]
    const strides = { cStride: 4, aStride: 4, bStride: 4 }
    run({ config: config.address, c, a, b, out: out.address, ...strides })
    expect(out.values[0]).toBe(5 - 255 + 2 + 6 - 384)
    expect(others.findLastIndex((byte) => byte !== 0)).toBe(0)
  })

  test.each(Object.entries(INSTRUCTIONS))(
    "%s keeps registers, flags, the mask and what lies under the stack",
    (_, emit) => {
      const config = runner.place(configure({ rows: 3, bytes: 8, lanes: 16 }))
      const memory = runner.place(new Uint8Array(1024))
      const vectors = runner.place(Int32Array.from({ length: 32 * 16 }, (_, i) => i))
      const found = runner.place(new Int32Array(64 + 33 * 16))
      const asm = new SoftTileAssembler(tiles.address)
      emitPreservation(asm, emit)
      runner.load(
        asm.finish(),
        PRESERVED,
      )({
        config: config.address,
        memory: memory.address,
        vectors: vectors.address,
        found: found.address,
      })
      const gprs = GPRS.flatMap((_, i) => [1000 + i, 0])
      expect([...found.values.subarray(0, gprs.length)]).toEqual(gprs)
      expect([...found.values.subarray(32, 34)], "flags, red zone").toEqual([1, 77])
      expect([...found.values.subarray(64, 64 + 32 * 16)]).toEqual([...vectors.values])
      const mask = Array.from({ length: 16 }, (_, lane) => (lane < 5 ? -1 : 0))
      expect([...found.values.subarray(64 + 32 * 16)]).toEqual(mask)
    },
  )

  test("tdpbsud: tiles must differ, as the processor wants", () => {
    expect(() => new SoftTileAssembler(tiles.address).tdpbsud(1, 1, 2)).toThrow("must differ")
  })
})
