/**
 * The kernel of products for many rows, in 8 and 4 bits: sums of integers are exact in any order, so a row's bits are those of `productKernel`.
 *
 * A workgroup computes four groups of 16 rows of W for 64 rows of x, 64 columns at a time. Each thread brings 16 columns of a row of x and of one of W to shared memory, then
 * multiplies four rows of x with one of W from each group; the next columns are on their way meanwhile. Threads whose rows a tile lacks only bring.
 */
import { BLOCK_ROWS, type ProductKind } from "./ProductKind.ts"
import { BLOCK_COLUMNS, BRING_FIRST, bringFunctions, bringNext, QUADS, THREADS } from "./productBlocks.ts"
import { BLOCK_GROUPS, productHeader, productTile } from "./productShape.ts"

/** Rows of x that a thread multiplies. */
const OWN_ROWS = BLOCK_ROWS / (THREADS / 16)

/** Returns the kernel's WGSL. @throws Error for f32. @see productHeader for its buffers */
export function blockedProductCode(kind: ProductKind): string {
  const { format, isPaired } = kind
  if (format === "f32") throw new Error("gpu: expected a format of integers for blocks of rows, found f32")
  const rows = Array.from({ length: OWN_ROWS }, (_, r) => r)
  const groups = Array.from({ length: BLOCK_GROUPS }, (_, g) => g)
  const dots = (r: number): string => groups.map((g) => `add_dots(sums${r}[${g}], w${g}, v${r})`).join(", ")
  return `
${productHeader(kind)}
var<workgroup> x_block: array<vec4u, ${THREADS}>;
var<workgroup> w_block: array<vec4u, ${THREADS}>;
${bringFunctions(format)}
${writeCode(isPaired)}
@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) thread: u32) {
  ${productTile(kind)}
  ${BRING_FIRST}
  let own = thread / 16u * ${OWN_ROWS}u;
  ${rows.map((r) => `var sums${r} = vec4i();`).join(" ")}
  for (var begin = 0u; begin < num_quads; begin += ${QUADS}u) {
    ${bringNext("x_block[thread] = next_x;", `w_block[quad * ${BLOCK_COLUMNS}u + group_in_block * 16u + lane] = unpacked(next_w, quad, lane);`)}
    if (own < count) {
      for (var q = 0u; q < ${QUADS}u; q++) {
        ${groups.map((g) => `let w${g} = w_block[q * ${BLOCK_COLUMNS}u + ${16 * g}u + lane];`).join(" ")}
        ${rows.map((r) => `let v${r} = x_block[(own + ${r}u) * ${QUADS}u + q]; sums${r} = vec4i(${dots(r)});`).join("\n        ")}
      }
    }
  }
  let columns = columns_of(word, id.x, lane);
  ${rows.map((r) => `if (own + ${r}u < count) { write(first + own + ${r}u, sums${r}, columns); }`).join("\n  ")}
}
`
}

/** Writes a row's four sums. WGSL may lose a NaN on the way: a faulty row's scale is written as it is. */
function writeCode(isPaired: boolean): string {
  const numMatrices = isPaired ? 2 : 1
  const others = isPaired ? "vec4<bool>(false, true, false, true)" : "vec4<bool>()"
  const words = (at: string): string =>
    `vec4f(${["x", "y", "z", "w"].map((c) => `bitcast<f32>(slab[(${at}).${c}])`).join(", ")})`
  return `
struct Columns { at: vec4u, to: vec4u, scales: vec4f, biases: vec4f }
fn columns_of(word: u32, block: u32, lane: u32) -> Columns {
  let others = ${others};
  let at = (block * ${BLOCK_GROUPS}u + vec4u(0u, 1u, 2u, 3u)) / ${numMatrices}u * 16u + lane;
  let scales = word + at + select(vec4u(shape.scales), vec4u(shape.otherScales), others);
  let biases = word + at + select(vec4u(shape.bias), vec4u(shape.otherBias), others);
  return Columns(at, at + select(vec4u(), vec4u(shape.outWidth), others), ${words("scales")}, ${words("biases")});
}
fn write(row: u32, sums: vec4i, columns: Columns) {
  let x_scale = x_scales[row_of(row)];
  let is_fault = (x_scale & 0x7fffffffu) >= 0x7f800000u;
  var values = vec4f(sums) * columns.scales * bitcast<f32>(x_scale);
  if (shape.hasBias != 0u) { values += columns.biases; }
  let bits = select(bitcast<vec4u>(values), vec4u(x_scale), is_fault);
  for (var c = 0u; c < 4u; c++) {
    if (columns.at[c] < shape.outWidth) { out[row * ${numMatrices}u * shape.outWidth + columns.to[c]] = bits[c]; }
  }
}`
}
