import { existsSync, mkdirSync, rmdirSync } from "node:fs"
import { join } from "node:path"
import type { PagedResult, PagedStart } from "./PagedRun.ts"

/** Where memory limits are written, by the system's first version of them; undefined where none is, or we may not. */
export function findCgroups(): string | undefined {
  const root = "/sys/fs/cgroup/memory"
  if (!existsSync(join(root, "memory.limit_in_bytes"))) return undefined
  const trial = join(root, `consilium-${process.pid}`)
  try {
    mkdirSync(trial)
    rmdirSync(trial)
    return root
  } catch {
    return undefined
  }
}

/** Runs one measurement in a process of its own. @throws Error with its last words */
export async function runPaged(start: PagedStart): Promise<PagedResult> {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "pagedMain.ts"), JSON.stringify(start)], {
    stdio: ["ignore", "pipe", "pipe"],
  })
  const [text, words] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  await child.exited
  if (start.cgroup !== undefined) removeCgroup(start.cgroup)
  if (child.exitCode === 0) return JSON.parse(text) as PagedResult
  throw new Error(`${start.pager}: ${child.signalCode ?? `code ${child.exitCode}`}: ${words.slice(-1000)}`)
}

function removeCgroup(dir: string): void {
  try {
    rmdirSync(dir)
  } catch {
    // It holds nothing, and goes with the next boot.
  }
}
