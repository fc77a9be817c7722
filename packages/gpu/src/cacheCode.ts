/**
 * How attention reads keys and values of a format, as pieces of WGSL: what they are read as, and how they become vectors of f32.
 *
 * Of words a thread reads whole vectors, so that neighbouring threads read neighbouring words: four of keys, of which it takes the lower or the upper halves and a near one the
 * others; two of values, both halves. Products are added in the order of f32, and sums of values are put right when they are written: attention has the bits that it
 * has over what the words widen to.
 *
 * @see CacheFormat in kernels
 */
import { type CacheFormat, pairDistance } from "@consilium/kernels"

const UPPER = "0xffff0000u"

/** `Key`, `Value` and `Sum`: what is read at once, and what sums are written as. `V` is a vector of f32. */
export function cacheTypesCode(format: CacheFormat): string {
  const [key, value, sum] = format === "f32" ? ["V", "V", "V"] : ["vec4u", "vec2u", "vec2f"]
  return `alias Key = ${key};\nalias Value = ${value};\nalias Sum = ${sum};`
}

/** `k` = the vector `at` of a position's key. */
export function loadKeyCode(format: CacheFormat): string {
  const distance = pairDistance(format)
  if (distance === undefined) return "let k = keys[(keys_row + position) * shape.numVectors + at];"
  const half = `${distance / 4}u`
  return `let run = at / ${half} / 2u;
        let pairs = keys[(keys_row + position) * (shape.numVectors / 2u) + run * ${half} + at % ${half}];
        let k = bitcast<V>(select(pairs << vec4u(16u), pairs & vec4u(${UPPER}), at / ${half} % 2u == 1u));`
}

/** `v` = what a thread sums of a position: neighbouring values, or two neighbours of each half of a run. */
export function loadValueCode(format: CacheFormat): string {
  const read = "values[(values_row + position) * shape.numVectors + column]"
  if (format === "f32") return `let v = ${read};`
  return `let pairs = ${read};
        let v = bitcast<V>(vec4u(pairs << vec2u(16u), pairs & vec2u(${UPPER})));`
}

/** Writes a thread's sums of values to a head's row of `to`, in their order. */
export function storeSumCode(to: string, row: string, sum: string, format: CacheFormat): string {
  const distance = pairDistance(format)
  if (distance === undefined) return `${to}[${row} * shape.numVectors + column] = ${sum};`
  const half = `${distance / 2}u`
  return `let sum = ${sum};
      let at = ${row} * 2u * shape.numVectors + column + column / ${half} * ${half};
      ${to}[at] = sum.xy;
      ${to}[at + ${half}] = sum.zw;`
}
