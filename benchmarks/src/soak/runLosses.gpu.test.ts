import { expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { freePort, startService } from "../startService.ts"
import { miniOptions } from "../../test/miniOptions.ts"
import { runLosses } from "./runLosses.ts"
import { whyNoGpu } from "../../test/whyNoGpu.ts"

const NUM_LOSSES = 2

test.skipIf(whyNoGpu() !== undefined)(
  "streams lose no request and no token to a GPU that is lost, and nothing stays behind; the full form is `bun run bench losses`",
  async () => {
    const cacheDir = mkdtempSync(join(tmpdir(), "consilium-losses-"))
    const adminPort = freePort()
    const further = ["--admin-port", String(adminPort), "--enable-faults"]
    const service = await startService({ ...miniOptions(cacheDir, 2), format: "f32", backend: "gpu" }, further)
    try {
      const result = await runLosses({
        url: service.url,
        adminUrl: `http://127.0.0.1:${adminPort}`,
        numStreams: 2,
        numCalls: 2,
        maxTokens: 16,
        numLosses: NUM_LOSSES,
        seed: 3,
        signal: new AbortController().signal,
      })
      expect(result.losses).toEqual([])
      expect(result.leaks).toEqual([])
      expect(result.numLosses).toBe(NUM_LOSSES)
      expect(result.numCompared).toBeGreaterThan(NUM_LOSSES)
      expect(Math.min(...result.numExperts)).toBeGreaterThan(0)
      // Those by which memory is measured are told too.
      expect(result.probeMs.length).toBe(NUM_LOSSES + 2)
    } finally {
      await service.stop()
      rmSync(cacheDir, { recursive: true, force: true })
    }
  },
  600_000,
)
