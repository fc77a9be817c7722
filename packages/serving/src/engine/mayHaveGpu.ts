import { existsSync, readdirSync } from "node:fs"
import { homedir } from "node:os"
import { join } from "node:path"

/** What a system tells of itself without opening a driver. */
export interface SystemFiles {
  readonly platform: NodeJS.Platform
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly exists: (path: string) => boolean
  /** Names in a folder; none where there is no such folder. */
  readonly list: (path: string) => readonly string[]
}

/** Nodes of graphics cards: of Linux's own drivers, NVIDIA's, and Windows' below it. */
const DEVICES = ["/dev/nvidia0", "/dev/dxg"]
const MANIFEST_VARIABLES = ["VK_ICD_FILENAMES", "VK_DRIVER_FILES", "VK_ADD_DRIVER_FILES"]

/**
 * Whether a GPU with a driver for WebGPU may be here: a few looks at the file system, so that a machine without one need not load WebGPU to know. Drivers that
 * compute on the processor do not count.
 */
export function mayHaveGpu({ platform, environment, exists, list }: SystemFiles = thisSystem()): boolean {
  if (platform === "darwin" || platform === "win32") return true
  if (platform !== "linux") return false
  const hasDevice = DEVICES.some(exists) || list("/dev/dri").some((name) => name.startsWith("renderD"))
  if (!hasDevice) return false
  const folders = [
    "/usr/share",
    "/usr/local/share",
    "/etc",
    ...(environment.XDG_DATA_DIRS ?? "").split(":").filter((folder) => folder !== ""),
    environment.XDG_DATA_HOME ?? join(environment.HOME ?? homedir(), ".local", "share"),
  ]
  return (
    MANIFEST_VARIABLES.some((name) => (environment[name] ?? "") !== "") ||
    folders.some((folder) => list(join(folder, "vulkan", "icd.d")).some((name) => name.endsWith(".json")))
  )
}

function thisSystem(): SystemFiles {
  const list = (path: string): readonly string[] => {
    try {
      return readdirSync(path)
    } catch {
      return []
    }
  }
  return { platform: process.platform, environment: process.env, exists: existsSync, list }
}
