/**
 * Runs every package's tests through turbo, and prints one closing line with the counts of all: `N passed, N failed`.
 *
 * Counts come from the JUnit reports that the runs write. A run that ends without a report counts as a failure.
 */
import { Glob } from "bun"
import { readFileSync, rmSync } from "node:fs"
import { join } from "node:path"

const root = join(import.meta.dir, "..")
const reports = ["tests", "packages/*", "apps/*", "benchmarks", "examples"].map(
  (place) => new Glob(`${place}/test-report.xml`),
)
const reportPaths = (): string[] => reports.flatMap((report) => [...report.scanSync(root)])

for (const path of reportPaths()) rmSync(join(root, path))

const run = Bun.spawnSync(
  [
    process.execPath,
    "x",
    "turbo",
    "run",
    "test",
    "test:repository",
    "--continue",
    "--concurrency=2",
    "--ui=stream",
    "--log-order=grouped",
  ],
  { cwd: root, stdio: ["ignore", "inherit", "inherit"], env: { ...process.env, TURBO_TELEMETRY_DISABLED: "1" } },
)

let numTests = 0
let numFailed = 0
let numSkipped = 0
for (const path of reportPaths()) {
  const suites = /<testsuites[^>]*>/.exec(readFileSync(join(root, path), "utf8"))?.[0] ?? ""
  const count = (name: string): number => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(suites)?.[1] ?? 0)
  numTests += count("tests")
  numFailed += count("failures") + count("errors")
  numSkipped += count("skipped")
}
// A crash loses its report: it must not look like a pass.
if (run.exitCode !== 0 && numFailed === 0) numFailed = 1

const numPassed = Math.max(0, numTests - numFailed - numSkipped)
console.log(`${numPassed} passed, ${numFailed} failed${numSkipped > 0 ? `, ${numSkipped} skipped` : ""}`)
process.exit(run.exitCode === 0 && numFailed === 0 && numPassed > 0 ? 0 : 1)
