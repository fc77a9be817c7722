import { expect, test } from "bun:test"
import { mayHaveGpu, type SystemFiles } from "./mayHaveGpu.ts"

const system = (paths: readonly string[], change: Partial<SystemFiles> = {}): SystemFiles => ({
  platform: "linux",
  environment: { HOME: "/home/user" },
  exists: (path) => paths.includes(path),
  list: (folder) => paths.filter((path) => path.startsWith(`${folder}/`)).map((path) => path.slice(folder.length + 1)),
  ...change,
})

test("mayHaveGpu: a graphics card and a driver's manifest, by whichever of their ways", () => {
  const manifest = "/usr/share/vulkan/icd.d/nvidia_icd.json"
  expect(mayHaveGpu(system(["/dev/nvidia0", manifest]))).toBe(true)
  expect(mayHaveGpu(system(["/dev/dri/renderD128", "/home/user/.local/share/vulkan/icd.d/radeon.json"]))).toBe(true)
  const named = { environment: { VK_DRIVER_FILES: "/opt/icd.json" } }
  expect(mayHaveGpu(system(["/dev/dxg"], named))).toBe(true)
  expect(mayHaveGpu(system([], { platform: "darwin" }))).toBe(true)
})

test("mayHaveGpu: no card, as where a software driver is installed, or a card without a driver, is none", () => {
  expect(mayHaveGpu(system([]))).toBe(false)
  expect(mayHaveGpu(system(["/usr/share/vulkan/icd.d/lvp_icd.json"]))).toBe(false)
  expect(mayHaveGpu(system([], { environment: { VK_ICD_FILENAMES: "/opt/swiftshader.json" } }))).toBe(false)
  expect(mayHaveGpu(system(["/dev/dri/card0", "/usr/share/vulkan/icd.d/intel.json"]))).toBe(false)
  expect(mayHaveGpu(system(["/dev/nvidia0"]))).toBe(false)
  expect(mayHaveGpu(system(["/dev/nvidia0"], { platform: "freebsd" }))).toBe(false)
})
