/**
 * The kernel of products for many rows on a matrix unit, in 8 and 4 bits: sums are exact, so a row's bits are those of `productKernel`.
 *
 * A workgroup computes four groups of 16 rows of W for 64 rows of x, as `blockedProductKernel` does, and brings 64 columns of both to shared memory at a time: as bytes, or as
 * 16-bit floats, which hold bytes exactly. Each subgroup multiplies a strip of small matrices that share columns of the result; those whose rows a tile lacks are left out.
 */
import { type MatrixUnit, pinCode } from "./GpuFeatures.ts"
import { BLOCK_ROWS, type ProductKind } from "./ProductKind.ts"
import { BLOCK_COLUMNS, BRING_FIRST, bringFunctions, bringNext, QUADS, THREADS } from "./productBlocks.ts"
import { BLOCK_GROUPS, productHeader, productTile, SCALE_CODE } from "./productShape.ts"

/** How a unit's components lie in shared memory: what an element is, the columns in it, and how a thread writes its 16 columns there. */
const COMPONENTS = {
  i8: {
    element: "vec2u",
    bytes: 8,
    columns: 8,
    sum: "i32",
    bring: (block: string) => `${block}[at] = words.xy; ${block}[at + 1u] = words.zw;`,
  },
  f16: {
    element: "vec4<f16>",
    bytes: 8,
    columns: 4,
    sum: "f32",
    bring: (block: string) =>
      ["x", "y", "z", "w"].map((c, i) => `${block}[at + ${i}u] = vec4<f16>(unpack4xI8(words.${c}));`).join(" "),
  },
} as const

/** Columns whose sums of products of bytes are exact in 32-bit floats: no more than 2^24 / (127 · 128). A sum of integers has no such end. */
const EXACT_COLUMNS = 1024

/** How a workgroup's result is cut into small matrices, and these are shared out to subgroups. */
interface Strips {
  /** Matrices of a subgroup, below each other. */
  readonly numOwn: number
  /** Matrices side by side. */
  readonly numAcross: number
}

/** Returns how a unit's matrices cover a workgroup's result; undefined where they do not. */
export function stripsOf({
  numRows,
  numColumns,
  depth,
  component,
  subgroupSize,
}: Omit<MatrixUnit, "pinsSubgroupSize">): Strips | undefined {
  const numSubgroups = THREADS / subgroupSize
  const [numDown, numAcross] = [BLOCK_ROWS / numRows, BLOCK_COLUMNS / numColumns]
  const numStrips = numSubgroups / numAcross
  const numOwn = numDown / numStrips
  const isWhole = [
    numSubgroups,
    numDown,
    numAcross,
    numStrips,
    numOwn,
    (16 * QUADS) / depth,
    depth / COMPONENTS[component].columns,
    (numRows * numColumns) / subgroupSize,
  ].every(Number.isInteger)
  return isWhole ? { numOwn, numAcross } : undefined
}

/** Elements of a row in shared memory: padded by one, so that rows below each other lie in different banks. */
function strideOf({ component }: Pick<MatrixUnit, "component">): number {
  return (16 * QUADS) / COMPONENTS[component].columns + 1
}

/** Returns the bytes of a workgroup's memory that the kernel takes. */
export function matrixMemoryBytes(unit: MatrixUnit): number {
  const { component, numRows, numColumns, subgroupSize } = unit
  const blocks = (BLOCK_ROWS + BLOCK_COLUMNS) * strideOf(unit) * COMPONENTS[component].bytes
  return blocks + (THREADS / subgroupSize) * numRows * numColumns * 4
}

/** Returns the kernel's WGSL. @throws Error for f32, and a unit whose matrices do not cover the result. @see productHeader for its buffers */
export function matrixProductCode(kind: ProductKind, unit: MatrixUnit): string {
  const { format, isPaired } = kind
  const strips = stripsOf(unit)
  if (format === "f32" || strips === undefined)
    throw new Error(`gpu: expected bytes and a unit whose matrices fit, found ${format}, ${JSON.stringify(unit)}`)
  const { component, numRows, numColumns, depth, subgroupSize } = unit
  const { element, columns, sum, bring } = COMPONENTS[component]
  const { numOwn, numAcross } = strips
  const stride = strideOf(unit)
  const perQuad = 16 / columns
  const own = Array.from({ length: numOwn }, (_, i) => i)
  const numShared = numRows * numColumns
  const perThread = numShared / subgroupSize
  const load = (side: "left" | "right", shape: string, order: string, from: string): string =>
    `subgroupMatrixLoad<subgroup_matrix_${side}<${component}, ${shape}>, ${order}>(${from}, ${stride}u)`
  return `
${productHeader(kind)}
var<workgroup> x_block: array<${element}, ${BLOCK_ROWS * stride}>;
var<workgroup> w_block: array<${element}, ${BLOCK_COLUMNS * stride}>;
var<workgroup> results: array<${sum}, ${(THREADS / subgroupSize) * numShared}>;
${bringFunctions(format)}
${SCALE_CODE}
fn bring_x(at: u32, words: vec4u) { ${bring("x_block")} }
fn bring_w(at: u32, words: vec4u) { ${bring("w_block")} }
${writeCode(isPaired)}
@compute @workgroup_size(${THREADS})${pinCode(unit)}
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(local_invocation_index) thread: u32,
  @builtin(subgroup_id) subgroup: u32,
) {
  ${productTile(kind)}
  ${BRING_FIRST}
  let w_at = (group_in_block * 16u + lane) * ${stride}u + quad * ${perQuad}u;
  let x_at = thread / ${QUADS}u * ${stride}u + thread % ${QUADS}u * ${perQuad}u;
  let own_row = subgroup / ${numAcross}u * ${numOwn * numRows}u;
  let own_column = subgroup % ${numAcross}u * ${numColumns}u;
  let own_results = subgroup * ${numShared}u;
  ${own.map((i) => `var totals${i} = array<i32, ${perThread}>();`).join(" ")}
  for (var span = 0u; span < num_quads; span += ${component === "i8" ? "num_quads" : `${EXACT_COLUMNS / 16}u`}) {
    ${own.map((i) => `var sums${i} = subgroup_matrix_result<${sum}, ${numColumns}, ${numRows}>();`).join(" ")}
    let end = ${component === "i8" ? "num_quads" : `min(span + ${EXACT_COLUMNS / 16}u, num_quads)`};
    for (var begin = span; begin < end; begin += ${QUADS}u) {
      ${bringNext("bring_x(x_at, next_x);", "bring_w(w_at, unpacked(next_w, quad, lane));")}
      if (own_row < count) {
        for (var k = 0u; k < ${(16 * QUADS) / columns}u; k += ${depth / columns}u) {
          let w = ${load("right", `${numColumns}, ${depth}`, "col_major", `&w_block, own_column * ${stride}u + k`)};
          ${own.map((i) => `sums${i} = subgroupMatrixMultiplyAccumulate(${load("left", `${depth}, ${numRows}`, "row_major", `&x_block, (own_row + ${i * numRows}u) * ${stride}u + k`)}, w, sums${i});`).join("\n          ")}
        }
      }
    }
    ${own
      .map(
        (i) => `workgroupBarrier();
    subgroupMatrixStore<row_major>(&results, own_results, sums${i}, ${numColumns}u);
    workgroupBarrier();
    for (var j = 0u; j < ${perThread}u; j++) { totals${i}[j] += i32(results[own_results + j * ${subgroupSize}u + thread % ${subgroupSize}u]); }`,
      )
      .join("\n    ")}
  }
  for (var j = 0u; j < ${perThread}u; j++) {
    let at = j * ${subgroupSize}u + thread % ${subgroupSize}u;
    let row = own_row + at / ${numColumns}u;
    let column = own_column + at % ${numColumns}u;
    ${own.map((i) => `if (row + ${i * numRows}u < count) { write(first + row + ${i * numRows}u, totals${i}[j], word, id.x, column); }`).join("\n    ")}
  }
}
`
}

/** Writes one value of a block's 64 columns. */
function writeCode(isPaired: boolean): string {
  const numMatrices = isPaired ? 2 : 1
  return `
fn write(row: u32, sum: i32, word: u32, block: u32, column_in_block: u32) {
  let group = block * ${BLOCK_GROUPS}u + column_in_block / 16u;
  let is_other = ${isPaired ? "group % 2u == 1u" : "false"};
  let column = group / ${numMatrices}u * 16u + column_in_block % 16u;
  if (column >= shape.outWidth) { return; }
  out[(row * ${numMatrices}u + u32(is_other)) * shape.outWidth + column] = scaled(sum, row, word, column, is_other);
}`
}
