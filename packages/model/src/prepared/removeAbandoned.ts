import { existsSync, readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { preparedName } from "./preparedName.ts"

/** Removes what killed prepares have left in the cache; those of living processes stay. Returns how many there were. */
export function removeAbandoned(cacheDir: string): number {
  if (!existsSync(cacheDir)) return 0
  const abandoned = readdirSync(cacheDir).filter((name) => {
    const pid = preparedName(name)?.partialOf
    return pid !== undefined && !isAlive(pid)
  })
  for (const name of abandoned) rmSync(join(cacheDir, name), { recursive: true, force: true })
  return abandoned.length
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"
  }
}
