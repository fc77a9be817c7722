/** Installs the dependencies where they are missing or out of date, and says so; silent and instant where nothing is to do. */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const root = join(import.meta.dir, "..")
const stampPath = join(root, "node_modules/.consilium-installed")

function isInstalled(stamp: string): boolean {
  return existsSync(stampPath) && readFileSync(stampPath, "utf8") === stamp
}

const stamp = `${Bun.version} ${process.platform} ${process.arch} ${Bun.hash(readFileSync(join(root, "bun.lock")))}`
if (!isInstalled(stamp)) {
  console.error("Installing dependencies (once)…")
  const { exitCode } = Bun.spawnSync([process.execPath, "install", "--frozen-lockfile"], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  })
  if (exitCode !== 0) {
    console.error(
      "The installation failed (see above). It needs a package registry: check the network, then run the command again.",
    )
    process.exit(1)
  }
  writeFileSync(stampPath, stamp)
}
