import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { streamChat } from "./load/streamChat.ts"
import { freePort, waitUntilHealthy } from "./startService.ts"
import type { Measurement, Suite } from "./Suite.ts"

const NUM_WARM = 5

/** From the command to the first token of the default model: in a bare clone, then again with everything in place. */
export const start: Suite = {
  name: "start",
  question: "How long does a newcomer wait for the first token of the default model?",
  takes: [],
  compares: false,
  flags: [],
  plot: "bars",
  async *run({ root, signal, expect, report }) {
    expect(3)
    const work = mkdtempSync(join(tmpdir(), "consilium-start-"))
    const clone = join(work, "clone")
    const home = join(work, "home")
    try {
      report("bare clone: install, prepare, start")
      const git = Bun.spawnSync(["git", "clone", "--quiet", root, clone])
      if (git.exitCode !== 0) throw new Error(`git clone: ${git.stderr.toString()}`)
      const first = await timeToFirstToken(clone, home)
      yield measurement("bare clone, installation included: to first token", [first])

      report("bare clone, installed: nothing prepared")
      rmSync(home, { recursive: true, force: true })
      yield measurement("nothing prepared: to first token", [await timeToFirstToken(clone, home)])

      const warm: number[] = []
      for (let i = 0; i < NUM_WARM; i++) {
        signal.throwIfAborted()
        report(`warm start ${i + 1} of ${NUM_WARM}`)
        warm.push(await timeToFirstToken(clone, home))
      }
      yield measurement("warm: to first token", warm)
    } finally {
      report("removing the clone")
      rmSync(work, { recursive: true, force: true })
    }
  },
}

const measurement = (name: string, samples: readonly number[]): Measurement => ({ name, unit: "ms", samples })

async function timeToFirstToken(clone: string, home: string): Promise<number> {
  const port = freePort()
  const started = performance.now()
  const service = Bun.spawn([process.execPath, "run", "start", "--port", String(port)], {
    cwd: clone,
    env: { PATH: process.env.PATH ?? "", HOME: home },
    stdio: ["ignore", "ignore", "pipe"],
  })
  try {
    const url = `http://127.0.0.1:${port}`
    await waitUntilHealthy(url, service)
    const healthyMs = performance.now() - started
    return healthyMs + (await streamChat({ url, model: "default", prompt: "Hello!", maxTokens: 8 })).firstTokenMs
  } finally {
    service.kill("SIGTERM")
    await service.exited
  }
}
