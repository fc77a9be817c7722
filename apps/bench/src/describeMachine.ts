import type { Device } from "@consilium/benchmarks"
import { readFileSync } from "node:fs"
import { cpus, totalmem } from "node:os"

/** The machine of a record. */
export interface Machine {
  readonly cpu: string
  /** Instruction sets that decide which kernels run, as Linux names them; empty where the system does not say. */
  readonly features: readonly string[]
  readonly numCores: number
  readonly memoryGiB: number
  readonly platform: string
  /** What the run computed on beside the processor. */
  readonly device?: Device
}

/** Instruction sets that matter here, strongest first. */
const FEATURES = ["amx_int8", "amx_bf16", "avx512_vnni", "avx512_bf16", "avx512f", "avx_vnni", "avx2", "fma", "i8mm"]

/** Describes this machine, and the device that a run computes on. */
export function describeMachine(device?: Device): Machine {
  const processors = cpus()
  return {
    cpu: processors[0]?.model.trim() ?? "unknown",
    features: readFeatures(),
    numCores: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform} ${process.arch}`,
    ...(device !== undefined && { device: { model: device.model, name: device.name, isSoftware: device.isSoftware } }),
  }
}

function readFeatures(): readonly string[] {
  if (process.platform !== "linux") return []
  const flags = /^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? ""
  const known = new Set(flags.trim().split(/\s+/))
  return FEATURES.filter((feature) => known.has(feature))
}

/** Names a machine in a path, so that figures of another kind of machine, or device, never overwrite its own: `intel-xeon-avx512vnni-2c-nvidia-l4`. */
export function machineSlug(machine: Pick<Machine, "cpu" | "features" | "numCores" | "device">): string {
  const { cpu, features, numCores, device } = machine
  const model = cpu
    .toLowerCase()
    .replaceAll(/\((?:r|tm)\)|@.*$|\b(?:cpu|processor|\d+-core)\b/g, " ")
    .trim()
  const best = features.find((feature) => ["amx_int8", "avx512_vnni", "avx_vnni", "avx2", "i8mm"].includes(feature))
  return [model, best?.replace("_", ""), `${numCores}c`, device?.model]
    .filter((part) => part !== undefined)
    .join("-")
    .replaceAll(/[^a-z0-9]+/g, "-")
}
