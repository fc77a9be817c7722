import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { type BenchedBackend, GPU } from "../createBackend.ts"

/** Engines that can run beside us, by the name that `--peers` takes. */
const PEERS = ["node-llama-cpp"] as const
export type Peer = (typeof PEERS)[number]

/** Builds of llama.cpp, each installed by itself: for the processor, and for any GPU. */
export type PeerBuild = "cpu" | "vulkan"
const FOLDERS: Readonly<Record<PeerBuild, string>> = { cpu: "benchmarks/peers", vulkan: "benchmarks/peers/vulkan" }

/** Returns the build that runs where our backend does. */
export function peerBuild(backend: BenchedBackend): PeerBuild {
  return backend === GPU ? "vulkan" : "cpu"
}

/** What installs them: they are in no workspace manifest, so that nobody installs them who does not compare. */
function installCommand(build: PeerBuild): string {
  return `npx bun@1.4.5 install --cwd ${FOLDERS[build]} --frozen-lockfile`
}

/** Where the peers are installed. */
export function peersDir(root: string, build: PeerBuild): string {
  return join(root, FOLDERS[build])
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
export function installPeers(root: string, build: PeerBuild, report: (line: string) => void): string | undefined {
  const dir = peersDir(root, build)
  const command = installCommand(build)
  const isInstalled = (): boolean => existsSync(join(dir, "node_modules/node-llama-cpp/package.json"))
  if (isInstalled()) return undefined
  report(`installing the peers, once: ${command}`)
  const { stderr } = Bun.spawnSync([process.execPath, "install", "--cwd", dir, "--frozen-lockfile"], {
    cwd: root,
    stdio: ["ignore", "ignore", "pipe"],
  })
  if (isInstalled()) return undefined
  return `not installed (${stderr.toString().trim().split("\n").at(-1)}); install with: ${command}`
}

/** Names the version of node-llama-cpp that a build is installed with: exactly one. */
export function peerVersion(root: string, build: PeerBuild): string {
  const { dependencies } = JSON.parse(readFileSync(join(peersDir(root, build), "package.json"), "utf8")) as {
    dependencies: Record<Peer, string>
  }
  return dependencies["node-llama-cpp"]
}
