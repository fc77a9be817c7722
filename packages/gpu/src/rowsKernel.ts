/**
 * The kernel that makes rows: it reads them from where they are, and writes them as what comes next wants them.
 *
 * They are rows of x, their norm, an expert's activations, or rows of a matrix (`embed`); they become f32, or 8 bits with one scale a row, rotated where the other side is.
 * A workgroup makes one row.
 */
import { activationName, type ExpertActivation, type Format, isRotated } from "@consilium/kernels"
import type { GpuFeatures } from "./GpuFeatures.ts"
import { sumCode } from "./sumCode.ts"
import { GRID_CODE, weightCode } from "./weightCode.ts"

/**
 * Where rows come from. Buffers: x; the norm's weight, what is added first where there is such, the rows, their norm unless it takes their place; the up projection's rows,
 * where there is a gate after the gate's of each row; the slab and the ids of rows.
 */
export type RowSource =
  | { readonly kind: "rows" }
  | { readonly kind: "normed"; readonly adds: boolean; readonly isInPlace: boolean }
  | { readonly kind: "activation"; readonly of: ExpertActivation }
  | { readonly kind: "weights"; readonly format: Format }

/** What they become. */
export interface RowsKind {
  readonly source: RowSource
  /** `source`: no more than what the source itself leaves. */
  readonly target: "f32" | "int8" | "source"
  readonly isRotated: boolean
}

/** Returns the kind of rows that a product with weights of `format` reads. */
export function rowsFor(format: Format, source: RowSource): RowsKind {
  return { source, target: format === "f32" ? "f32" : "int8", isRotated: isRotated(format) }
}

/** Returns a name unlike that of any other kernel of rows. */
export function rowsName({ source, target, isRotated: rotates }: RowsKind): string {
  return `${source.kind} ${sourceName(source)} ${target} ${rotates}`
}

function sourceName(source: RowSource): string {
  if (source.kind === "activation") return `${activationName(source.of.activation)} ${source.of.hasGateProj}`
  if (source.kind === "normed") return `${source.adds} ${source.isInPlace}`
  return source.kind === "weights" ? source.format : ""
}

const SHAPE = ["width", "stride", "values", "groupStride", "scales", "paddedColumns", "epsilon"]
/** They hold four of a block's 256 columns each. */
const BLOCK_THREADS = 64
/** Of four blocks. */
const THREADS = 4 * BLOCK_THREADS

/** Returns the kernel's WGSL. Buffers: those of the source; out; for 8 bits also the scales, and f32 rows between. */
export function rowsCode({ source, target, isRotated: rotates }: RowsKind, features: GpuFeatures): string {
  const isQuantized = target === "int8"
  const buffers = [...sourceBuffers(source), ...TARGET_BUFFERS[target]]
  const norm = source.kind === "normed" ? normCode(source, features) : undefined
  const binding = ([name, access]: Binding, i: number): string =>
    `@group(0) @binding(${i + 1}) var<storage, ${access}> ${name}: array<u32>;`
  return `
struct Shape { ${SHAPE.map((name) => `${name}: u32`).join(", ")} }
@group(0) @binding(0) var<uniform> shape: Shape;
${buffers.map(binding).join("\n")}
${norm?.declarations ?? ""}
${loadCode(source)}
${rotates ? ROTATE_CODE : ""}
${isQuantized ? "var<workgroup> largest: atomic<u32>;" : ""}
@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) thread: u32${norm?.parameters ?? ""}) {
  let row = id.x;
  ${norm?.factor ?? ""}
  var most = 0u;
  let lane = thread % ${BLOCK_THREADS}u;
  for (var blocks = 0u; blocks < shape.stride; blocks += ${4 * THREADS}u) {
    let first = blocks + thread / ${BLOCK_THREADS}u * 256u;
    var values = vec4f();
    for (var j = 0u; j < 4u; j++) {
      let k = first + lane + ${BLOCK_THREADS}u * j;
      if (k < shape.width) { values[j] = load(row, k); }
    }
    ${rotates ? "values = rotated(values, first, thread);" : ""}
    for (var j = 0u; j < 4u; j++) {
      let k = first + lane + ${BLOCK_THREADS}u * j;
      let bits = bitcast<u32>(values[j]);
      ${target === "source" ? "" : `if (k < shape.stride) { ${isQuantized ? "wide" : "out"}[row * shape.stride + k] = bits; }`}
      most = max(most, bits & 0x7fffffffu);
    }
  }
  ${isQuantized ? QUANTIZE_CODE : "_ = most;"}
}
`
}

type Binding = readonly [name: string, access: "read" | "read_write"]

function sourceBuffers(source: RowSource): readonly Binding[] {
  if (source.kind === "rows") return [["x", "read"]]
  if (source.kind === "activation") return [["inner", "read"]]
  if (source.kind === "weights")
    return [
      ["slab", "read"],
      ["ids", "read"],
    ]
  const { adds, isInPlace } = source
  const added: readonly Binding[] = adds ? [["added", "read"]] : []
  const normed: readonly Binding[] = isInPlace ? [] : [["normed", "read_write"]]
  return [["weight", "read"], ...added, ["x", adds || isInPlace ? "read_write" : "read"], ...normed]
}

const TARGET_BUFFERS: Readonly<Record<RowsKind["target"], readonly Binding[]>> = {
  f32: [["out", "read_write"]],
  int8: [
    ["out", "read_write"],
    ["out_scales", "read_write"],
    ["wide", "read_write"],
  ],
  source: [],
}

/** What a norm wants of `main`: `factor`, what a row's values are scaled by, after what is added to them. Rows are read again by other threads. */
function normCode(
  { adds }: Extract<RowSource, { kind: "normed" }>,
  features: GpuFeatures,
): { readonly declarations: string; readonly parameters: string; readonly factor: string } {
  const { declarations, parameters, sumOf } = sumCode(THREADS, features)
  return {
    declarations: `${declarations}\nvar<private> factor: f32;`,
    parameters,
    factor: `var squares = 0.0;
  for (var k = thread; k < shape.width; k += ${THREADS}u) {
    let at = row * shape.width + k;
    let value = bitcast<f32>(x[at])${adds ? " + bitcast<f32>(added[at])" : ""};
    ${adds ? "x[at] = bitcast<u32>(value);" : ""}
    squares = fma(value, value, squares);
  }
  storageBarrier();
  factor = 1.0 / sqrt(${sumOf("squares")} / f32(shape.width) + bitcast<f32>(shape.epsilon));`,
  }
}

/** `load(row, k)`: one value of a source's row. */
function loadCode(source: RowSource): string {
  if (source.kind === "rows")
    return "fn load(row: u32, k: u32) -> f32 { return bitcast<f32>(x[row * shape.width + k]); }"
  if (source.kind === "activation") return activationCode(source.of)
  if (source.kind === "normed")
    return `
fn load(row: u32, k: u32) -> f32 {
  let at = row * shape.width + k;
  let value = bitcast<f32>(x[at]) * factor * bitcast<f32>(weight[k]);
  ${source.isInPlace ? "x" : "normed"}[at] = bitcast<u32>(value);
  return value;
}`
  return `${source.format === "int4" ? GRID_CODE : ""}
${weightCode(source.format, "shape.paddedColumns")}
fn load(row: u32, k: u32) -> f32 { return weight(ids[row], k); }`
}

/** WGSL's `min` and `max` may lose a NaN: it is passed on by itself. */
function activationCode(of: ExpertActivation): string {
  const { activation, hasGateProj } = of
  return `
fn is_nan(value: f32) -> bool { return (bitcast<u32>(value) & 0x7fffffffu) > 0x7f800000u; }
fn load(row: u32, k: u32) -> f32 {
  let last = row * ${hasGateProj ? 2 : 1}u${hasGateProj ? " + 1u" : ""};
  let u = bitcast<f32>(inner[last * shape.width + k]);
  if (is_nan(u)) { return u; }
  ${hasGateProj ? "let g = bitcast<f32>(inner[(last - 1u) * shape.width + k]);\n  if (is_nan(g)) { return g; }" : "let g = u;"}
  ${typeof activation === "string" ? `return ${PLAIN[activation]}${hasGateProj ? " * u" : ""};` : clampedCode(activation.limit)}
}`
}

const PLAIN = { silu: "g / (1.0 + exp(-g))", relu: "max(g, 0.0)" } as const

function clampedCode(limit: number): string {
  const bound = `f32(${limit})`
  return `let c = min(g, ${bound});
  return (clamp(u, -${bound}, ${bound}) + 1.0) * c / (1.0 + exp(-1.702 * c));`
}

/** Blocks of `rotateColumns`: fours that are 16 apart, then fours that are 64 apart, each stage rounded. */
const ROTATE_CODE = `
var<workgroup> mixed: array<f32, ${4 * THREADS}>;
fn mix_four(v: vec4f) -> vec4f {
  let sums = vec4f(v.x + v.y, v.x - v.y, v.z + v.w, v.z - v.w);
  return vec4f(sums.x + sums.z, sums.y + sums.w, sums.x - sums.z, sums.y - sums.w);
}
fn rotated(values: vec4f, first: u32, thread: u32) -> vec4f {
  let lane = thread % ${BLOCK_THREADS}u;
  let own = thread / ${BLOCK_THREADS}u * 256u + lane;
  for (var j = 0u; j < 4u; j++) { mixed[own + 64u * j] = values[j]; }
  workgroupBarrier();
  let at = own - lane + (lane / 16u) * 64u + lane % 16u;
  let inner = vec4f(mixed[at], mixed[at + 16u], mixed[at + 32u], mixed[at + 48u]);
  let is_whole = first + (lane / 16u) * 64u + 64u <= shape.width;
  let outer = select(inner, mix_four(inner), is_whole);
  workgroupBarrier();
  for (var j = 0u; j < 4u; j++) { mixed[at + 16u * j] = outer[j]; }
  workgroupBarrier();
  var result = vec4f(mixed[own], mixed[own + 64u], mixed[own + 128u], mixed[own + 192u]);
  if (first + 256u <= shape.width) { result = mix_four(result); }
  else {
    for (var j = 0u; j < 4u; j++) { result[j] *= select(4.0, 2.0, first + 64u * j + 64u <= shape.width); }
  }
  workgroupBarrier();
  return result;
}`

/** One scale a row. Magnitudes are compared as bits, where a NaN or an infinity is larger than all numbers: the scale is then NaN. */
const QUANTIZE_CODE = `atomicMax(&largest, most);
  storageBarrier();
  workgroupBarrier();
  let bits = atomicLoad(&largest);
  let is_fault = bits >= 0x7f800000u;
  let scale = bitcast<f32>(bits) / 127.0;
  if (thread == 0u) { out_scales[row] = select(bitcast<u32>(scale), 0x7fc00000u, is_fault); }
  let is_zero = is_fault || scale == 0.0;
  let inverse = 127.0 / bitcast<f32>(select(bits, 0x3f800000u, is_zero));
  for (var word = thread; word < shape.stride / 4u; word += ${THREADS}u) {
    var integers: vec4i;
    for (var j = 0u; j < 4u; j++) {
      let value = bitcast<f32>(wide[row * shape.stride + word * 4u + j]);
      integers[j] = select(i32(clamp(round(value * inverse), -127.0, 127.0)), 0, is_zero);
    }
    out[row * (shape.stride / 4u) + word] = pack4xI8(integers);
  }`
