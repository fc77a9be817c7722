/**
 * The kernel that makes rows: it reads them from where they are, and writes them as what comes next wants them.
 *
 * They are rows of x, an expert's activations, or rows of a matrix (`embed`); they become f32, or 8 bits with one scale a row, rotated where the other side is.
 * A workgroup makes one row.
 */
import { activationName, type ExpertActivation, type Format, isRotated } from "@consilium/kernels"
import { GRID_CODE, weightCode } from "./weightCode.ts"

/** Where rows come from. Buffers: x; the up projection's rows, where there is a gate after the gate's of each row; the slab and the ids of rows. */
export type RowSource =
  | { readonly kind: "rows" }
  | { readonly kind: "activation"; readonly of: ExpertActivation }
  | { readonly kind: "weights"; readonly format: Format }

/** What they become; `format` is that of the weights that they are multiplied with, or that they are. */
export interface RowsKind {
  readonly source: RowSource
  readonly target: "f32" | "int8"
  readonly isRotated: boolean
}

/** Returns the kind of rows that a product with weights of `format` reads. */
export function rowsFor(format: Format, source: RowSource): RowsKind {
  return { source, target: format === "f32" ? "f32" : "int8", isRotated: isRotated(format) }
}

/** Returns a name unlike that of any other kernel of rows. */
export function rowsName({ source, target, isRotated: rotates }: RowsKind): string {
  const of =
    source.kind === "activation"
      ? `${activationName(source.of.activation)} ${source.of.hasGateProj}`
      : source.kind === "weights"
        ? source.format
        : ""
  return `${source.kind} ${of} ${target} ${rotates}`
}

const SHAPE = ["width", "stride", "values", "groupStride", "scales", "paddedColumns"]
/** A thread holds four of a block's 256 columns. */
const THREADS = 64

/** Returns the kernel's WGSL. Buffers: those of the source; out; for 8 bits also the scales, and f32 rows between. */
export function rowsCode({ source, target, isRotated: rotates }: RowsKind): string {
  const isQuantized = target === "int8"
  const inputs = INPUTS[source.kind]
  const outputs = ["out", ...(isQuantized ? ["out_scales", "wide"] : [])]
  const wide = isQuantized ? "wide" : "out"
  const binding = (name: string, i: number): string =>
    `@group(0) @binding(${i + 1}) var<storage, ${i < inputs.length ? "read" : "read_write"}> ${name}: array<u32>;`
  return `
struct Shape { ${SHAPE.map((name) => `${name}: u32`).join(", ")} }
@group(0) @binding(0) var<uniform> shape: Shape;
${[...inputs, ...outputs].map(binding).join("\n")}
${loadCode(source)}
${rotates ? ROTATE_CODE : ""}
${isQuantized ? "var<workgroup> largest: atomic<u32>;" : ""}
@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) thread: u32) {
  let row = id.x;
  var most = 0u;
  for (var first = 0u; first < shape.stride; first += 256u) {
    var values = vec4f();
    for (var j = 0u; j < 4u; j++) {
      let k = first + thread + 64u * j;
      if (k < shape.width) { values[j] = load(row, k); }
    }
    ${rotates ? "values = rotated(values, first, thread);" : ""}
    for (var j = 0u; j < 4u; j++) {
      let k = first + thread + 64u * j;
      let bits = bitcast<u32>(values[j]);
      if (k < shape.stride) { ${wide}[row * shape.stride + k] = bits; }
      most = max(most, bits & 0x7fffffffu);
    }
  }
  ${isQuantized ? QUANTIZE_CODE : "_ = most;"}
}
`
}

const INPUTS: Readonly<Record<RowSource["kind"], readonly string[]>> = {
  rows: ["x"],
  activation: ["inner"],
  weights: ["slab", "ids"],
}

/** `load(row, k)`: one value of a source's row. */
function loadCode(source: RowSource): string {
  if (source.kind === "rows")
    return "fn load(row: u32, k: u32) -> f32 { return bitcast<f32>(x[row * shape.width + k]); }"
  if (source.kind === "activation") return activationCode(source.of)
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

/** A block of `rotateColumns`: fours that are 16 apart, then fours that are 64 apart, each stage rounded. */
const ROTATE_CODE = `
var<workgroup> mixed: array<f32, 256>;
fn mix_four(v: vec4f) -> vec4f {
  let sums = vec4f(v.x + v.y, v.x - v.y, v.z + v.w, v.z - v.w);
  return vec4f(sums.x + sums.z, sums.y + sums.w, sums.x - sums.z, sums.y - sums.w);
}
fn rotated(values: vec4f, first: u32, thread: u32) -> vec4f {
  for (var j = 0u; j < 4u; j++) { mixed[thread + 64u * j] = values[j]; }
  workgroupBarrier();
  let at = (thread / 16u) * 64u + thread % 16u;
  let inner = vec4f(mixed[at], mixed[at + 16u], mixed[at + 32u], mixed[at + 48u]);
  let is_whole = first + (thread / 16u) * 64u + 64u <= shape.width;
  let outer = select(inner, mix_four(inner), is_whole);
  workgroupBarrier();
  for (var j = 0u; j < 4u; j++) { mixed[at + 16u * j] = outer[j]; }
  workgroupBarrier();
  var result = vec4f(mixed[thread], mixed[thread + 64u], mixed[thread + 128u], mixed[thread + 192u]);
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
