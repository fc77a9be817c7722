/** `quantizeInt4Row` in WebAssembly, a block in four vectors of eight 16-bit lanes. Read the plain one first: names and bits are the same. */
import {
  FRACTIONS,
  LARGEST,
  LARGEST_MULTIPLIER,
  LARGEST_NIBBLE,
  MIDDLE,
  MIDDLE_NIBBLE,
  PLACES,
} from "./quantizeInt4Row.ts"
import {
  type Code,
  doWhile,
  f32,
  f32x4,
  type FunctionSource,
  i16x8,
  i32,
  i32x4,
  i8x16,
  type Local,
  select,
  v128,
  when,
} from "./wasmCode.ts"

const BLOCK_BYTES = 128
const { const: int } = i32

/** `measure(weights, end, out)`: writes the largest |weight| and the widest half range of a block, two f32, to `out`. */
const measure: FunctionSource = {
  name: "measure",
  parameters: ["i32", "i32", "i32"],
  body([weights, end, out], local) {
    const [low, high, largest, widest] = [local("v128"), local("v128"), local("v128"), local("v128")]
    const quads = Array.from({ length: 8 }, (_, i) => v128.load(weights!.get, 16 * i))
    const half = f32x4.splat(f32.const(0.5))
    return [
      doWhile(
        [
          low.set(quads.reduce((a, b) => f32x4.min(a, b))),
          high.set(quads.reduce((a, b) => f32x4.max(a, b))),
          ...acrossLanes(f32x4.min, low, 4),
          ...acrossLanes(f32x4.max, high, 4),
          largest.set(f32x4.max(largest.get, f32x4.max(high.get, f32x4.negate(low.get)))),
          widest.set(f32x4.max(widest.get, f32x4.sub(f32x4.mul(high.get, half), f32x4.mul(low.get, half)))),
          advance(weights!, BLOCK_BYTES),
        ],
        i32.lessThan(weights!.get, end!.get),
      ),
      f32.store(out!.get, f32x4.lane0(largest.get)),
      f32.store(out!.get, f32x4.lane0(widest.get), 4),
    ]
  },
}

/** `quantize(weights, end, inverse, importance, values, multipliers, offsets)`: what follows the scale. */
const quantize: FunctionSource = {
  name: "quantize",
  parameters: ["i32", "i32", "f32", "i32", "i32", "i32", "i32"],
  body([weights, end, inverse, importance, values, multipliers, offsets], local) {
    const block = [local("v128"), local("v128"), local("v128"), local("v128")]
    const factors = [local("v128"), local("v128"), local("v128"), local("v128")]
    const [vector, low, high] = [local("v128"), local("i32"), local("i32")]
    const [atLow, multiplier, finest, place] = [local("i32"), local("i32"), local("i32"), local("i32")]
    const best = { multiplier: local("i32"), offset: local("i32"), error: local("i32") }
    const quad = (index: number): Code =>
      i32x4.fromF32(f32x4.nearest(f32x4.mul(v128.load(weights!.get, 16 * index), f32x4.splat(inverse!.get))))
    const across = (op: typeof i16x8.min, out: Local): readonly Code[] => [
      vector.set(block.map(({ get }) => get).reduce((a, b) => op(a, b))),
      ...acrossLanes(op, vector, 8),
      out.set(i16x8.lane0(vector.get)),
    ]
    // In 128ths of the scale: the block's middle, less half of the grid's 15 steps.
    const placed = i32.add(
      i32.mul(i32.add(low.get, high.get), int(4)),
      i32.mul(i32.sub(place.get, int(64 * LARGEST_NIBBLE)), multiplier.get),
    )
    const grid = gridLocals(local)
    const tryPlace = [
      // The place before the first stands for the grid that begins at the smallest value.
      grid.offset.set(
        select(
          atLow.get,
          clampOffset(i32.shiftRight(i32.add(placed, int(64)), int(7))),
          i32.lessThan(place.get, int(PLACES.first)),
        ),
      ),
      ...tryGrid(grid, block, factors, multiplier, best),
      advance(place, PLACES.step),
    ]
    const tryMultiplier = [
      ...setStep(grid, multiplier.get),
      place.set(int(PLACES.first - PLACES.step)),
      doWhile(tryPlace, i32.lessThan(place.get, int(PLACES.last + 1))),
      advance(multiplier, -1),
    ]
    return [
      doWhile(
        [
          ...block.map((part, i) => part.set(i16x8.narrow(quad(2 * i), quad(2 * i + 1)))),
          ...factors.map((part, i) => part.set(v128.load(importance!.get, 16 * i))),
          ...across(i16x8.min, low),
          ...across(i16x8.max, high),
          atLow.set(clampOffset(i32.shiftRight(i32.add(low.get, int(FRACTIONS / 2)), int(4)))),
          best.multiplier.set(int(0)),
          best.offset.set(atLow.get),
          best.error.set(int(2 ** 31 - 1)),
          multiplier.set(widestMultiplier(i32.sub(high.get, low.get))),
          finest.set(i32.max(int(1), i32.sub(multiplier.get, int(1)))),
          when(i32.lessThan(int(0), multiplier.get), [
            doWhile(tryMultiplier, i32.lessThan(i32.sub(finest.get, int(1)), multiplier.get)),
          ]),
          ...packBlock(grid, block, best, values!),
          i32.store8(multipliers!.get, best.multiplier.get),
          i32.store8(offsets!.get, i32.add(best.offset.get, int(MIDDLE))),
          advance(weights!, BLOCK_BYTES),
          advance(importance!, BLOCK_BYTES / 2),
          advance(values!, BLOCK_BYTES / 4),
          advance(multipliers!, 1),
          advance(offsets!, 1),
        ],
        i32.lessThan(weights!.get, end!.get),
      ),
    ]
  },
}

export const INT4_KERNELS: readonly FunctionSource[] = [measure, quantize]

/** A grid that is tried, by its step and its offset; and what comes of it. */
type GridLocals = ReturnType<typeof gridLocals>

function gridLocals(local: (type: "i32" | "v128") => Local) {
  return {
    /** Of the multiplier: itself and its fixed-point inverse in sixteenths, in each lane; 2¹⁶ over it, rounded up. */
    step: local("v128"),
    inverse: local("v128"),
    reciprocal: local("i32"),
    /** Of the offset: itself; in each lane where q = 8 lies, and the largest q less 8. */
    offset: local("i32"),
    middle: local("v128"),
    most: local("v128"),
    value: local("v128"),
    rest: local("v128"),
    counted: local("v128"),
    error: local("v128"),
  }
}

interface BestLocals {
  readonly multiplier: Local
  readonly offset: Local
  readonly error: Local
}

function tryGrid(
  grid: GridLocals,
  block: readonly Local[],
  factors: readonly Local[],
  multiplier: Local,
  best: BestLocals,
): readonly Code[] {
  const { offset, step, value, rest, counted, error } = grid
  return [
    ...setOffset(grid, multiplier.get, offset.get),
    error.set(i32x4.splat(int(0))),
    ...block.flatMap((part, i) => [
      value.set(i16x8.sub(part.get, grid.middle.get)),
      rest.set(i16x8.sub(value.get, i16x8.mul(rounded(grid), step.get))),
      counted.set(i16x8.mulRound15(rest.get, factors[i]!.get)),
      error.set(i32x4.add(error.get, i32x4.dot(counted.get, counted.get))),
    ]),
    ...acrossLanes(i32x4.add, error, 4),
    when(i32.lessThan(i32x4.lane0(error.get), best.error.get), [
      best.multiplier.set(multiplier.get),
      best.offset.set(offset.get),
      best.error.set(i32x4.lane0(error.get)),
    ]),
  ]
}

function packBlock(grid: GridLocals, block: readonly Local[], best: BestLocals, values: Local): readonly Code[] {
  const { value, rest, counted } = grid
  const q = (part: Local): readonly Code[] => [
    value.set(i16x8.sub(part.get, grid.middle.get)),
    rest.set(i16x8.add(rounded(grid), i16x8.splat(int(MIDDLE_NIBBLE)))),
  ]
  const [a, b, c, d] = block
  const pair = (first: Local, second: Local, at: number): readonly Code[] => [
    ...q(first),
    counted.set(rest.get),
    ...q(second),
    v128.store(values.get, i8x16.narrow(counted.get, rest.get), at),
  ]
  return [
    ...setStep(grid, best.multiplier.get),
    ...setOffset(grid, best.multiplier.get, best.offset.get),
    ...pair(a!, b!, 0),
    ...pair(c!, d!, 16),
  ]
}

/** A step of 0 has the inverse 0 and the largest q 0. */
function setStep({ step, inverse, reciprocal }: GridLocals, multiplier: Code): readonly Code[] {
  // Against a division by zero, whose result is not used.
  const divisor = i32.max(multiplier, int(1))
  const orZero = (value: Code): Code => select(value, int(0), i32.lessThan(int(0), multiplier))
  return [
    step.set(i16x8.splat(i32.mul(multiplier, int(FRACTIONS)))),
    inverse.set(i16x8.splat(orZero(i32.div(i32.add(int(4096), multiplier), i32.mul(int(2), divisor))))),
    reciprocal.set(orZero(i32.add(i32.div(int(2 ** 16), divisor), int(1)))),
  ]
}

function setOffset({ middle, most, reciprocal }: GridLocals, multiplier: Code, offset: Code): readonly Code[] {
  // The quotient of whole numbers below 2⁸ by ones below 2⁴: 2¹⁶ is enough for it to be exact.
  const reached = i32.shiftRight(i32.mul(i32.sub(int(LARGEST), offset), reciprocal.get), int(16))
  const eighth = i32.add(offset, i32.mul(multiplier, int(MIDDLE_NIBBLE)))
  return [
    middle.set(i16x8.splat(i32.mul(eighth, int(FRACTIONS)))),
    most.set(i16x8.splat(i32.sub(i32.min(int(LARGEST_NIBBLE), reached), int(MIDDLE_NIBBLE)))),
  ]
}

/** q of the grid's values, less 8. */
function rounded({ value, inverse, most }: GridLocals): Code {
  const nearest = i16x8.mulRound15(value.get, inverse.get)
  return i16x8.min(i16x8.max(nearest, i16x8.splat(int(-MIDDLE_NIBBLE))), most.get)
}

function widestMultiplier(range: Code): Code {
  const span = LARGEST_NIBBLE * FRACTIONS
  return i32.min(int(LARGEST_MULTIPLIER), i32.div(i32.add(range, int(span - 1)), int(span)))
}

function clampOffset(offset: Code): Code {
  return i32.min(int(LARGEST), i32.max(int(-LARGEST), offset))
}

/** Folds a vector's lanes by `op`, so that each holds the result. */
function acrossLanes(op: (a: Code, b: Code) => Code, vector: Local, numLanes: number): readonly Code[] {
  const steps = numLanes === 4 ? [8, 4] : [8, 4, 2]
  return steps.map((bytes) => vector.set(op(vector.get, v128.rotate(vector.get, bytes))))
}

function advance(pointer: Local, by: number): Code {
  return pointer.set(i32.add(pointer.get, int(by)))
}
