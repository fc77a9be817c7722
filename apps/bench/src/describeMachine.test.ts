import { expect, test } from "bun:test"
import { describeMachine, machineSlug } from "./describeMachine.ts"

test("machineSlug: says maker, model, best instruction set and cores, and nothing that a path cannot hold", () => {
  const xeon = { cpu: "Intel(R) Xeon(R) Platinum 8581C CPU @ 2.30GHz", features: ["amx_int8", "avx2"], numCores: 2 }
  expect(machineSlug(xeon)).toBe("intel-xeon-platinum-8581c-amxint8-2c")
  const epyc = { cpu: "AMD EPYC 9654 96-Core Processor", features: ["avx512_vnni", "avx2"], numCores: 192 }
  expect(machineSlug(epyc)).toBe("amd-epyc-9654-avx512vnni-192c")
  expect(machineSlug({ cpu: "Apple M4", features: [], numCores: 10 })).toBe("apple-m4-10c")
})

test("machineSlug: machines with and without an instruction set keep their figures apart", () => {
  const machine = { cpu: "x", features: ["avx2"], numCores: 2 }
  expect(machineSlug(machine)).not.toBe(machineSlug({ ...machine, features: ["avx512_vnni", "avx2"] }))
  expect(machineSlug(machine)).not.toBe(machineSlug({ ...machine, numCores: 4 }))
})

test("machineSlug: a device's figures lie apart from its machine's own", () => {
  const device = { model: "nvidia-l4", name: "NVIDIA 580.1", isSoftware: false }
  expect(machineSlug({ cpu: "x", features: ["avx2"], numCores: 2, device })).toBe("x-avx2-2c-nvidia-l4")
  expect(describeMachine(device).device).toEqual(device)
  expect(describeMachine()).not.toHaveProperty("device")
})

test("describeMachine: this machine has cores and memory", () => {
  const { numCores, memoryGiB, cpu } = describeMachine()
  expect(numCores).toBeGreaterThan(0)
  expect(memoryGiB).toBeGreaterThan(0)
  expect(cpu).not.toBe("")
})
