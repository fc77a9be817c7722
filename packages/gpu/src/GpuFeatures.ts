/** What kernels may use beyond plain WGSL. */
export type GpuFeature = "subgroups" | "int8-matrices" | "float16-matrices"

/** What the kernels of a device do use: it has it, and its known answers were right. Results have the same bits with and without. */
export interface GpuFeatures {
  /** Threads side by side see each other's values without shared memory. */
  readonly hasSubgroups: boolean
  readonly matrixUnit: MatrixUnit | undefined
}

/** Products of small matrices by a whole subgroup: of bytes, with sums of 32-bit integers, or of 16-bit floats with sums of 32-bit ones. */
export interface MatrixUnit {
  readonly component: "i8" | "f16"
  /** Rows and columns of a result, and what is summed. */
  readonly numRows: number
  readonly numColumns: number
  readonly depth: number
  /** Threads that share a product. */
  readonly subgroupSize: number
  /** Whether the device wants to be told the subgroups' size: it has several. */
  readonly pinsSubgroupSize: boolean
}

export const GPU_FEATURES: readonly GpuFeature[] = ["subgroups", "int8-matrices", "float16-matrices"]
export const PLAIN_FEATURES: GpuFeatures = { hasSubgroups: false, matrixUnit: undefined }

/** WGSL, in front of a kernel: what it may use. */
export function enableCode({ hasSubgroups, matrixUnit }: GpuFeatures): string {
  const extensions = [
    (hasSubgroups || matrixUnit !== undefined) && "subgroups",
    matrixUnit !== undefined && "chromium_experimental_subgroup_matrix",
    matrixUnit?.component === "f16" && "f16",
    matrixUnit?.pinsSubgroupSize === true && "subgroup_size_control",
  ]
  return extensions
    .filter((name) => name !== false)
    .map((name) => `enable ${name};\n`)
    .join("")
}

/** Returns what kernels use, in words; "" where it is nothing. */
export function featureWords({ hasSubgroups, matrixUnit }: GpuFeatures): string {
  const { component, numRows, numColumns, depth } = matrixUnit ?? {}
  const unit = matrixUnit && `matrices of ${component}, ${numRows} × ${numColumns} × ${depth}`
  return [hasSubgroups && "subgroups", unit].filter(Boolean).join(" and ")
}

/** WGSL, beside a kernel's workgroup size: that of subgroups, where a device has several. */
export function pinCode({ subgroupSize, pinsSubgroupSize }: MatrixUnit): string {
  return pinsSubgroupSize ? ` @subgroup_size(${subgroupSize})` : ""
}
