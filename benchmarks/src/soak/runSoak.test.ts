import { expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { freePort, startService } from "../startService.ts"
import { miniOptions } from "../../test/miniOptions.ts"
import { runSoak, SOAK_KINDS } from "./runSoak.ts"

const SOAK_MS = 60_000

test(
  "8 streams lose no request and no token to faults of every kind, and see none twice; the full form is `bun run bench soak`",
  async () => {
    const cacheDir = mkdtempSync(join(tmpdir(), "consilium-soak-"))
    const adminPort = freePort()
    const further = ["--admin-port", String(adminPort), "--enable-faults", "--step-deadline", "1s"]
    const service = await startService(miniOptions(cacheDir, 2), further)
    try {
      const { losses, leaks, numFaults, numAnswers, numCompared } = await runSoak({
        url: service.url,
        adminUrl: `http://127.0.0.1:${adminPort}`,
        numStreams: 8,
        numFaults: 1000,
        maxMs: SOAK_MS,
        seed: 3,
        signal: new AbortController().signal,
      })
      console.log(
        `${numAnswers} answers, ${numCompared} compared; ${SOAK_KINDS.map((kind) => `${kind} ${numFaults[kind]}`).join(", ")}`,
      )
      expect(losses).toEqual([])
      expect(leaks).toEqual([])
      expect(numCompared).toBeGreaterThan(numAnswers / 4)
      for (const kind of SOAK_KINDS) expect(numFaults[kind], kind).toBeGreaterThan(0)
    } finally {
      await service.stop()
      rmSync(cacheDir, { recursive: true, force: true })
    }
  },
  SOAK_MS * 3,
)
