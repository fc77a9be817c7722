import { describe, expect, test } from "bun:test"
import { type AdapterSubgroups, matrixUnits } from "./chooseFeatures.ts"
import { GPU_FEATURES } from "./GpuFeatures.ts"
import { stripsOf } from "./matrixProductKernel.ts"

type Config = readonly [componentType: string, resultComponentType: string, M: number, N: number, K: number]

const device = (names: readonly string[] = [], maxComputeWorkgroupStorageSize = 32_768) => ({
  features: new Set(["subgroups", "shader-f16", "chromium-experimental-subgroup-matrix", ...names]),
  limits: { maxComputeWorkgroupStorageSize },
})
const adapter = (sizes: readonly [number, number], ...configs: readonly Config[]): AdapterSubgroups => ({
  subgroupMinSize: sizes[0],
  subgroupMaxSize: sizes[1],
  subgroupMatrixConfigs: configs.map(([componentType, resultComponentType, M, N, K]) => ({
    componentType,
    resultComponentType,
    M,
    N,
    K,
  })),
})

describe("matrixUnits", () => {
  const nvidia = adapter([32, 32], ["f16", "f32", 16, 16, 16], ["i8", "i32", 16, 8, 32], ["i8", "i32", 16, 16, 32])

  test("sums of integers come before those of floats, large matrices before small ones", () => {
    const found = matrixUnits(device(), nvidia, GPU_FEATURES)
    expect(found.map(({ component, numColumns, depth }) => [component, numColumns, depth])).toEqual([
      ["i8", 16, 32],
      ["i8", 8, 32],
      ["f16", 16, 16],
    ])
    // Eight subgroups: four columns of 16, in each two that share out four matrices below each other.
    expect(stripsOf(found[0]!)).toEqual({ numOwn: 2, numAcross: 4 })
  })

  test("where subgroups have several sizes, the least is asked for, and nothing is used where it cannot be", () => {
    const intel = adapter([8, 32], ["i8", "i32", 8, 8, 32])
    expect(matrixUnits(device(), intel, GPU_FEATURES)).toEqual([])
    const pinned = matrixUnits(device(["subgroup-size-control"]), intel, GPU_FEATURES)
    expect(pinned).toEqual([
      { component: "i8", numRows: 8, numColumns: 8, depth: 32, subgroupSize: 8, pinsSubgroupSize: true },
    ])
  })

  test("sums that are not exact, matrices that do not cover a block, and what is not allowed are left out", () => {
    const odd = adapter(
      [32, 32],
      ["f16", "f16", 16, 16, 16],
      ["u8", "u32", 16, 16, 32],
      ["i8", "i32", 12, 16, 32],
      ["i8", "i32", 64, 64, 32],
      ["i8", "i32", 16, 16, 128],
    )
    expect(matrixUnits(device(), odd, GPU_FEATURES)).toEqual([])
    expect(matrixUnits(device(), nvidia, ["subgroups"])).toEqual([])
    expect(matrixUnits(device(), nvidia, ["float16-matrices"])).toHaveLength(1)
    expect(matrixUnits({ ...device(), features: new Set(["subgroups"]) }, nvidia, GPU_FEATURES)).toEqual([])
  })

  test("a device whose workgroups have too little memory for a unit does not use it", () => {
    const [bytes, floats] = [64 * 9 * 8 * 2, 64 * 17 * 8 * 2]
    const componentsOf = (memory: number): string[] =>
      matrixUnits(device([], memory), nvidia, GPU_FEATURES).map(({ component, numColumns }) => component + numColumns)
    expect(componentsOf(floats + 8192)).toEqual(["i816", "i88", "f1616"])
    expect(componentsOf(bytes + 8192)).toEqual(["i816", "i88"])
    expect(componentsOf(bytes + 4096)).toEqual(["i88"])
  })
})
