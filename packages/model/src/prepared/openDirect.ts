import { constants, openSync } from "node:fs"
import { PreparedModelError } from "./PreparedModelError.ts"

/**
 * Opens a file for reads that leave no copy in the page cache, where the system has them: offset, length and address are whole pages then.
 *
 * @throws PreparedModelError when it cannot be read
 */
export function openDirect(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | (constants.O_DIRECT ?? 0))
  } catch {
    // Some file systems, those in memory above all, know no direct reads.
  }
  try {
    return openSync(path, constants.O_RDONLY)
  } catch (error) {
    throw new PreparedModelError(`${path}: expected a readable file, found ${(error as NodeJS.ErrnoException).code}`)
  }
}
