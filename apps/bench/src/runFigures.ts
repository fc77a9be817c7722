import { FIGURES } from "@consilium/benchmarks"
import { join } from "node:path"
import { describeMachine, machineSlug } from "./describeMachine.ts"
import { writeDocuments } from "./writeDocuments.ts"

/**
 * Runs every suite that the README shows, each in a process of its own so that none inherits another's memory, then writes README.md and docs/cost.md.
 *
 * Returns the exit code: that of the first that failed; the others still run.
 */
export async function runFigures(root: string): Promise<number> {
  let exitCode = 0
  // Ctrl-C reaches the child too, which records what it has: wait for it.
  process.on("SIGINT", () => {})
  for (const [i, args] of FIGURES.entries()) {
    console.log(`\n[${i + 1}/${FIGURES.length}] bun run bench ${args.join(" ")}`)
    const child = Bun.spawn([process.execPath, join(import.meta.dir, "main.ts"), ...args], {
      cwd: root,
      stdio: ["inherit", "inherit", "inherit"],
    })
    const code = await child.exited
    if (code === 130) return code
    if (code !== 0) exitCode ||= code
  }
  if (exitCode !== 0) return exitCode
  writeDocuments(root, machineSlug(describeMachine()))
  console.log("\nREADME.md and docs/cost.md show this machine's figures now")
  return 0
}
