import { createRandom } from "@consilium/tensor"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { freePort, startService } from "../startService.ts"
import type { SuiteOptions } from "../Suite.ts"
import { createFaultyPeer } from "./createFaultyPeer.ts"
import { fleetToml, MEMORY_MIB } from "./fleetToml.ts"
import type { FleetSoakOptions } from "./runFleetSoak.ts"

/** The soak's fleet, started as a user would: the service, its settings file, and two remote experts that fail. */
export interface SoakFleet extends Pick<FleetSoakOptions, "url" | "adminUrl" | "peers" | "killEngine"> {
  close(): Promise<void>
}

const FAULT_SHARE = 0.35

/** @throws Error with the service's last words if it ends */
export async function openSoakFleet(
  { modelDir, ...options }: Pick<SuiteOptions, "root" | "modelDir" | "cacheDir" | "format" | "backend" | "numThreads">,
  seed: number,
): Promise<SoakFleet> {
  const random = createRandom(seed + 1)
  const peers = {
    risk: createFaultyPeer("risk", FAULT_SHARE, random),
    copy: createFaultyPeer("copy", FAULT_SHARE, random),
  }
  const dir = mkdtempSync(join(tmpdir(), "consilium-fleet-soak-"))
  const stopPeers = (): void => Object.values(peers).forEach((peer) => peer.stop())
  try {
    writeFileSync(join(dir, "consilium.toml"), fleetToml(modelDir, { risk: peers.risk.url, copy: peers.copy.url }))
    const adminPort = freePort()
    const further = [
      "--admin-port",
      String(adminPort),
      "--memory",
      `${MEMORY_MIB}MiB`,
      "--max-streams",
      "4",
      "--context",
      "256",
    ]
    const service = await startService(options, further, dir)
    return {
      url: service.url,
      adminUrl: `http://127.0.0.1:${adminPort}`,
      peers,
      killEngine: () => killOneChild(service.pid, random),
      async close() {
        await service.stop()
        stopPeers()
        rmSync(dir, { recursive: true, force: true })
      },
    }
  } catch (error) {
    stopPeers()
    rmSync(dir, { recursive: true, force: true })
    throw error
  }
}

/** Engines are the service's children. */
function killOneChild(pid: number, random: () => number): boolean {
  const found = Bun.spawnSync(["pgrep", "-P", String(pid), "-f", "engine/main.ts"]).stdout.toString()
  const children = found.split("\n").filter(Boolean).map(Number)
  const child = children[Math.floor(random() * children.length)]
  if (child === undefined) return false
  try {
    return process.kill(child, "SIGKILL")
  } catch {
    // It has just fallen asleep.
    return false
  }
}
