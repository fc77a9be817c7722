import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"

/** Engines that can run beside us, by the name that `--peers` takes. */
const PEERS = ["node-llama-cpp"] as const
export type Peer = (typeof PEERS)[number]

/** What installs them: they are in no workspace manifest, so that nobody installs them who does not compare. */
const INSTALL = "npx bun@1.4.5 install --cwd benchmarks/peers --frozen-lockfile"

/** Where the peers are installed. */
export function peersDir(root: string): string {
  return join(root, "benchmarks/peers")
}

/** Parses `--peers`: names separated by commas; none where it is absent. @throws Error on a name that is none */
export function parsePeers(text: string | undefined): Peer[] {
  if (text === undefined) return []
  return text.split(",").map((name) => {
    const peer = PEERS.find((known) => known === name)
    if (peer === undefined) throw new Error(`--peers ${name}: expected one of ${PEERS.join(", ")}`)
    return peer
  })
}

/**
 * Installs the peers where they are missing.
 *
 * @returns why they cannot run, with the command that would change it; undefined where they can
 */
export function installPeers(root: string, report: (line: string) => void): string | undefined {
  const isInstalled = (): boolean => existsSync(join(peersDir(root), "node_modules/node-llama-cpp/package.json"))
  if (isInstalled()) return undefined
  report(`installing the peers, once: ${INSTALL}`)
  const { stderr } = Bun.spawnSync([process.execPath, "install", "--cwd", peersDir(root), "--frozen-lockfile"], {
    cwd: root,
    stdio: ["ignore", "ignore", "pipe"],
  })
  if (isInstalled()) return undefined
  return `not installed (${stderr.toString().trim().split("\n").at(-1)}); install with: ${INSTALL}`
}

/** Names the version of node-llama-cpp that benchmarks/peers asks for: exactly one. */
export function peerVersion(root: string): string {
  const { dependencies } = JSON.parse(readFileSync(join(peersDir(root), "package.json"), "utf8")) as {
    dependencies: Record<Peer, string>
  }
  return dependencies["node-llama-cpp"]
}
