/**
 * What comes before attention: norm of queries and keys, their rotation to their positions, and the append to the slot's cache.
 *
 * A row is computed by itself, in place.
 */
import { Assembler, type VectorBytes } from "./Assembler.ts"
import { type FirstLanes, firstLanes } from "./firstLanes.ts"
import { broadcastArgument, emitKernel, loadArgument } from "./kernelAbi.ts"
import { emitPackPairs } from "./pairs.ts"
import { at, atIndex, type Gpr, r8, r9, r11, r12, r13, r14, r15, rax, rbx, rcx, rdx } from "./registers.ts"
import { emitRotate, type Rotation } from "./rotateHead.ts"
import { reduceLanes } from "./vectorMath.ts"

/**
 * Arguments of the kernel, by their place in the record.
 *
 * `rows`: the first row of q, k and v; rows are dense. `position`: of the first row. `keys`, `values`: the slot's cache; `headStride`: from a head of it to
 * the next. `cos`, `sin`: the tables, at position 0. Norm weights and rope tables are read only where the layer has them.
 */
export const PREPARE = {
  rows: 1,
  numRows: 2,
  position: 3,
  keys: 4,
  values: 5,
  headStride: 6,
  cos: 7,
  sin: 8,
  queryWeight: 9,
  keyWeight: 10,
  epsilon: 11,
} as const

/** What of a layer the kernel's code depends on. */
export interface PrepareShape {
  readonly numHeads: number
  readonly numKvHeads: number
  readonly headDim: number
  /** RMS norm of q and k over each head, or over the whole projection. */
  readonly norm: "none" | "head" | "projection"
  readonly rotation: Rotation | undefined
  /** The cache is bf16 in pairs, as far apart as a vector has lanes. */
  readonly isPaired: boolean
}

/** Emits the kernel; its arguments are `PREPARE`. */
export function emitPrepare(shape: PrepareShape, vectorBytes: VectorBytes): Uint8Array {
  const asm = new Assembler(vectorBytes)
  const { numHeads, numKvHeads, headDim, rotation } = shape
  emitKernel(asm, () => {
    // r12: the row's next head; r14, r15: cosines and sines of its position, rbx.
    loadArgument(asm, r12, PREPARE.rows)
    loadArgument(asm, rbx, PREPARE.position)
    loadArgument(asm, r13, PREPARE.numRows)
    asm.times(r13, () => {
      if (rotation !== undefined) {
        emitAnglesAddress(asm, r14, PREPARE.cos, rotation)
        emitAnglesAddress(asm, r15, PREPARE.sin, rotation)
      }
      emitNormAndRotate(asm, shape, numHeads, PREPARE.queryWeight)
      emitNormAndRotate(asm, shape, numKvHeads, PREPARE.keyWeight)
      asm.sub(r12, numKvHeads * headDim * 4)
      emitAppend(asm, shape, PREPARE.keys)
      emitAppend(asm, shape, PREPARE.values)
      asm.add(rbx, 1)
    })
  })
  return asm.finish()
}

/** The angles of position rbx. */
function emitAnglesAddress(asm: Assembler, to: Gpr, table: number, { rotaryDim }: Rotation): void {
  loadArgument(asm, to, table)
  asm.mov(rax, rbx)
  asm.imul(rax, (rotaryDim / 2) * 4)
  asm.add(to, rax)
}

/** Norms and rotates `count` heads from r12 on, and moves r12 behind them. */
function emitNormAndRotate(asm: Assembler, shape: PrepareShape, count: number, weight: number): void {
  const { headDim, norm, rotation } = shape
  if (norm === "none" && rotation === undefined) return asm.add(r12, count * headDim * 4)
  if (norm !== "none") loadArgument(asm, r8, weight)
  if (norm === "projection") emitNorm(asm, count * headDim)
  asm.mov(rcx, count)
  asm.times(rcx, () => {
    if (norm === "head") emitNorm(asm, headDim)
    if (rotation !== undefined) emitRotate(asm, rotation, r12, r14, r15)
    asm.add(r12, headDim * 4)
  })
}

/**
 * Norms `width` values at r12 with the weights at r8, in place. One accumulator: the order of the sum depends on the vector width alone.
 *
 * @see Zhang & Sennrich, arXiv:1910.07467
 */
function emitNorm(asm: Assembler, width: number): void {
  const [VALUE, SUM, SPARE] = [0, 1, 2]
  asm.vpxor(SUM, SUM, SUM)
  eachVector(asm, width, (lanes, offset) => {
    lanes.load(VALUE, atIndex(r12, offset))
    asm.vfmadd231ps(SUM, VALUE, VALUE)
  })
  reduceLanes(asm, "vaddps", SUM, SPARE)
  asm.vdivps(SUM, SUM, asm.lanesOf(width))
  broadcastArgument(asm, SPARE, PREPARE.epsilon)
  asm.vaddps(SUM, SUM, SPARE)
  asm.vsqrtps(SUM, SUM)
  asm.vbroadcastss(SPARE, asm.f32(1))
  asm.vdivps(SUM, SPARE, SUM)
  eachVector(asm, width, (lanes, offset) => {
    lanes.load(VALUE, atIndex(r12, offset))
    lanes.load(SPARE, atIndex(r8, offset))
    asm.vmulps(VALUE, VALUE, SUM)
    asm.vmulps(VALUE, VALUE, SPARE)
    lanes.store(atIndex(r12, offset), VALUE)
  })
}

/** Copies the row's heads from r12 on to position rbx of the cache, and moves r12 behind them. */
function emitAppend(asm: Assembler, { numKvHeads, headDim, isPaired }: PrepareShape, cache: number): void {
  loadArgument(asm, r9, cache)
  asm.mov(rax, rbx)
  asm.imul(rax, headDim * (isPaired ? 2 : 4))
  asm.add(r9, rax)
  loadArgument(asm, rdx, PREPARE.headStride)
  asm.mov(rcx, numKvHeads)
  asm.times(rcx, () => {
    if (isPaired) emitPairs(asm, headDim)
    else
      eachVector(asm, headDim, (lanes, offset) => {
        lanes.load(0, atIndex(r12, offset))
        lanes.store(atIndex(r9, offset), 0)
      })
    asm.add(r12, headDim * 4)
    asm.add(r9, rdx)
  })
}

/** Writes a head at r12 as pairs to r9. */
function emitPairs(asm: Assembler, headDim: number): void {
  for (let run = 0; run < headDim / (2 * asm.lanes); run++) {
    asm.vmovups(0, at(r12, 2 * run * asm.vectorBytes))
    asm.vmovups(1, at(r12, (2 * run + 1) * asm.vectorBytes))
    emitPackPairs(asm, 0, 1, [2, 3])
    asm.vstoreups(at(r9, run * asm.vectorBytes), 0)
  }
}

/** Runs `body` for each vector of a row of `width` values, at a byte offset in r11. */
function eachVector(asm: Assembler, width: number, body: (lanes: FirstLanes, offset: Gpr) => void): void {
  const rest = width % asm.lanes
  const whole = (width - rest) * 4
  asm.mov(r11, 0)
  if (whole > 0) {
    const top = asm.label()
    asm.bind(top)
    body(firstLanes(asm, asm.lanes, TAIL), r11)
    asm.add(r11, asm.vectorBytes)
    asm.cmp(r11, whole)
    asm.jumpIf("below", top)
  }
  if (rest > 0) body(firstLanes(asm, rest, TAIL), r11)
}

const TAIL = { opmask: 1, vector: 15 } as const
