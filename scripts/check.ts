/** Runs types, lint, format and dead code, all of them, and fails if any has a word to say. */
import { join } from "node:path"

const checks: readonly (readonly [name: string, command: readonly string[]])[] = [
  ["types", ["check", "--no-script"]],
  ["lint", ["x", "oxlint", "--deny-warnings"]],
  ["format", ["fmt", "--check", "--no-script"]],
  ["dead code", ["x", "knip", "--no-config-hints"]],
]

let hasFailed = false
for (const [name, command] of checks) {
  console.log(`— ${name}`)
  const { exitCode } = Bun.spawnSync([process.execPath, ...command], {
    cwd: join(import.meta.dir, ".."),
    stdio: ["ignore", "inherit", "inherit"],
  })
  if (exitCode !== 0) hasFailed = true
}
console.log(hasFailed ? "check failed" : "check passed")
process.exit(hasFailed ? 1 : 0)
