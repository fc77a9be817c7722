/** The part of WebAssembly's text that our kernels are written in: each function returns the bytes of an expression or a statement. */

/** Bytes of an expression that leaves one value, or of a statement that leaves none. */
export type Code = readonly number[]

const VALUE_TYPES = { i32: 0x7f, f32: 0x7d, v128: 0x7b } as const
type ValueType = keyof typeof VALUE_TYPES

/** A local variable of a function, or a parameter. */
export interface Local {
  readonly get: Code
  set(value: Code): Code
}

const plain =
  (opcode: number) =>
  (...operands: readonly Code[]): Code => [...operands.flat(), opcode]
const vector =
  (opcode: number, ...immediates: readonly number[]) =>
  (...operands: readonly Code[]): Code => [...operands.flat(), 0xfd, ...unsigned(opcode), ...immediates]

/** @see WebAssembly core specification 3.0, §5.4 (opcodes) */
export const i32 = {
  const: (value: number): Code => [0x41, ...signed(value)],
  add: plain(0x6a),
  sub: plain(0x6b),
  mul: plain(0x6c),
  div: plain(0x6d),
  shiftLeft: plain(0x74),
  shiftRight: plain(0x75),
  lessThan: plain(0x48),
  atLeast: plain(0x4e),
  store8: (address: Code, value: Code): Code => [...address, ...value, 0x3a, 0, 0],
  /** The smaller of two values, which are computed twice. */
  min: (a: Code, b: Code): Code => select(a, b, i32.lessThan(a, b)),
  max: (a: Code, b: Code): Code => select(b, a, i32.lessThan(a, b)),
}
export const f32 = {
  const: (value: number): Code => [0x43, ...new Uint8Array(Float32Array.of(value).buffer)],
  store: (address: Code, value: Code, offset = 0): Code => [...address, ...value, 0x38, 2, ...unsigned(offset)],
}
/** Bytes `lanes[i]` of two vectors laid side by side. */
const shuffle = (a: Code, b: Code, lanes: readonly number[]): Code => [...a, ...b, 0xfd, 0x0d, ...lanes]
export const v128 = {
  load: (address: Code, offset = 0): Code => [...address, 0xfd, 0x00, 4, ...unsigned(offset)],
  store: (address: Code, value: Code, offset = 0): Code => [...address, ...value, 0xfd, 0x0b, 4, ...unsigned(offset)],
  /** Moves a vector's bytes down in a circle. */
  rotate: (value: Code, bytes: number): Code =>
    shuffle(
      value,
      value,
      Array.from({ length: 16 }, (_, i) => (i + bytes) % 16),
    ),
}
export const i8x16 = { narrow: vector(0x66) }
export const i16x8 = {
  splat: vector(0x10),
  lane0: vector(0x18, 0),
  add: vector(0x8e),
  sub: vector(0x91),
  mul: vector(0x95),
  min: vector(0x96),
  max: vector(0x98),
  narrow: vector(0x85),
  /** (a · b + 2¹⁴) >> 15 */
  mulRound15: vector(0x82),
}
export const i32x4 = {
  lane0: vector(0x1b, 0),
  splat: vector(0x11),
  add: vector(0xae),
  /** Sums of neighbouring products of 16-bit lanes. */
  dot: vector(0xba),
  fromF32: vector(0xf8),
}
export const f32x4 = {
  splat: vector(0x13),
  lane0: vector(0x1f, 0),
  nearest: vector(0x6a),
  sub: vector(0xe5),
  mul: vector(0xe6),
  min: vector(0xe8),
  max: vector(0xe9),
  negate: vector(0xe1),
}

/** `condition ? a : b`, both computed. */
export function select(a: Code, b: Code, condition: Code): Code {
  return [...a, ...b, ...condition, 0x1b]
}

/** Runs statements until `condition` no longer holds; at least once. */
export function doWhile(body: readonly Code[], condition: Code): Code {
  return [0x03, 0x40, ...body.flat(), ...condition, 0x0d, 0, 0x0b]
}

/** Runs statements where `condition` holds. */
export function when(condition: Code, body: readonly Code[]): Code {
  return [...condition, 0x04, 0x40, ...body.flat(), 0x0b]
}

/** Describes a function: `body` is given its parameters and what makes more locals. */
export interface FunctionSource {
  readonly name: string
  readonly parameters: readonly ValueType[]
  readonly body: (parameters: readonly Local[], local: (type: ValueType) => Local) => readonly Code[]
}

const MAGIC_AND_VERSION = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]

/** Encodes a module of one imported memory, `env.memory`, and functions that return nothing. */
export function encodeModule(functions: readonly FunctionSource[]): Uint8Array<ArrayBuffer> {
  const types = functions.map(({ parameters }) => [0x60, ...list(parameters.map((type) => [VALUE_TYPES[type]])), 0])
  const memory = [...text("env"), ...text("memory"), 2, 0, 1]
  const exported = functions.map(({ name }, i) => [...text(name), 0, ...unsigned(i)])
  return Uint8Array.from([
    ...MAGIC_AND_VERSION,
    ...section(1, list(types)),
    ...section(2, list([memory])),
    ...section(3, list(functions.map((_, i) => unsigned(i)))),
    ...section(7, list(exported)),
    ...section(10, list(functions.map(encodeFunction))),
  ])
}

function encodeFunction({ parameters, body }: FunctionSource): number[] {
  const locals: ValueType[] = []
  const at = (index: number): Local => ({
    get: [0x20, ...unsigned(index)],
    set: (value) => [...value, 0x21, ...unsigned(index)],
  })
  const local = (type: ValueType): Local => at(parameters.length + locals.push(type) - 1)
  const statements = body(
    parameters.map((_, i) => at(i)),
    local,
  ).flat()
  const code = [...list(locals.map((type) => [1, VALUE_TYPES[type]])), ...statements, 0x0b]
  return [...unsigned(code.length), ...code]
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content]
}

function list(items: readonly (readonly number[])[]): number[] {
  return [...unsigned(items.length), ...items.flat()]
}

function text(value: string): number[] {
  return list([...new TextEncoder().encode(value)].map((byte) => [byte]))
}

/** LEB128. */
function unsigned(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >>> 7)]
}

function signed(value: number): number[] {
  const isLast = value >= -64 && value < 64
  return isLast ? [value & 127] : [(value & 127) | 128, ...signed(value >> 7)]
}
