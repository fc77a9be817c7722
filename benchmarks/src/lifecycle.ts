import { loadModelConfig } from "@consilium/model"
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type StreamTiming, streamChat } from "./load/streamChat.ts"
import { createAdminClient } from "./soak/createAdminClient.ts"
import { writeExpertFile } from "./soak/writeExpertFile.ts"
import { freePort, startService } from "./startService.ts"
import type { Suite } from "./Suite.ts"
import { summarise } from "./summarise.ts"

const ROUNDS = 10
const NUM_STREAMS = 8
const MAX_TOKENS = 400
/** Short enough to be waited for, long enough not to happen between two requests. */
const MODEL_IDLE = "1500ms"

/** What sleeping, waking, dying and replacing experts cost the streams that run meanwhile. */
export const lifecycle: Suite = {
  name: "lifecycle",
  question:
    "What does a sleeping model hold, how soon does it answer when it is woken, how long do streams pause when its process is killed, and how long when an expert is replaced?",
  takes: ["format", "backend"],
  compares: false,
  flags: [],
  plot: "bars",
  async *run(options) {
    const { signal, expect, report } = options
    expect(6)
    const work = mkdtempSync(join(tmpdir(), "consilium-lifecycle-"))
    const swapDir = join(work, "swaps")
    mkdirSync(swapDir)
    const adminPort = freePort()
    const further = [
      "--admin-port",
      String(adminPort),
      "--enable-faults",
      "--model-idle",
      MODEL_IDLE,
      "--swap-dir",
      swapDir,
    ]
    report("starting the service")
    const service = await startService(options, further)
    const admin = createAdminClient(`http://127.0.0.1:${adminPort}`)
    // Kept from ending early: streams must still run when something happens to them.
    const { eosIds } = loadModelConfig(options.modelDir).config
    const fields = { logit_bias: Object.fromEntries(eosIds.map((id) => [id, -100])) }
    const ask = (prompt: string, maxTokens = MAX_TOKENS): Promise<StreamTiming> =>
      streamChat({ url: service.url, model: "default", prompt, maxTokens, fields, signal })
    /** Longest silence of any of several streams while `act` is carried out, and their usual gap. */
    const pauseOf = async (
      act: () => Promise<void>,
    ): Promise<{ readonly longestMs: number; readonly medianMs: number }> => {
      const streams = Array.from({ length: NUM_STREAMS }, (_, i) => ask(`Tell me a long story about the number ${i}.`))
      await Bun.sleep(60)
      let numEnded = 0
      for (const stream of streams)
        void stream.then(
          () => numEnded++,
          () => {},
        )
      await act()
      if (numEnded > 0) throw new Error(`${numEnded} streams had ended before it happened: this measures nothing`)
      const gaps = (await Promise.all(streams)).flatMap(({ arrivalsMs }) => gapsOf(arrivalsMs))
      return { longestMs: Math.max(...gaps), medianMs: summarise(gaps).median }
    }

    try {
      await ask("Hello!")
      const asleepMiB: number[] = []
      const wakeMs: number[] = []
      for (let round = 0; round < ROUNDS; round++) {
        report(`asleep and awake, ${round + 1} of ${ROUNDS}`)
        await admin.untilPhase("asleep")
        asleepMiB.push(residentBytes(service.pid) / 2 ** 20)
        wakeMs.push((await ask("Hello!", 4)).firstTokenMs)
      }
      yield { name: "asleep: resident memory of the service", unit: "MiB", samples: asleepMiB }
      yield { name: "wake to first token", unit: "ms", samples: wakeMs }

      const killed: number[] = []
      for (let round = 0; round < ROUNDS; round++) {
        report(`killed, ${round + 1} of ${ROUNDS}`)
        killed.push((await pauseOf(() => admin.post("faults", { kind: "kill-engine" }))).longestMs)
      }
      yield { name: "engine killed: longest silence of any stream", unit: "ms", samples: killed }

      const quiet: number[] = []
      const swapped: number[] = []
      const answered: number[] = []
      for (let round = 0; round < ROUNDS; round++) {
        report(`replaced, ${round + 1} of ${ROUNDS}`)
        const source = `expert-${round}.safetensors`
        writeExpertFile(options.modelDir, join(swapDir, source), 0, round % 8)
        const without = await pauseOf(async () => {})
        quiet.push(without.longestMs - without.medianMs)
        const withSwap = await pauseOf(async () => {
          const begun = performance.now()
          await admin.post(`experts/0/${round % 8}/swap`, { source })
          answered.push(performance.now() - begun)
        })
        swapped.push(withSwap.longestMs - withSwap.medianMs)
        await admin.post("rollback", {})
      }
      yield { name: "longest gap over the median, nothing happens", unit: "ms", samples: quiet }
      yield { name: "longest gap over the median, an expert is replaced", unit: "ms", samples: swapped }
      yield { name: "from the request to the new version's first step", unit: "ms", samples: answered }
    } finally {
      await service.stop()
      rmSync(work, { recursive: true, force: true })
    }
  },
}

function gapsOf(arrivalsMs: readonly number[]): number[] {
  return arrivalsMs.slice(1).map((at, i) => at - arrivalsMs[i]!)
}

/** Resident bytes of a process, by the system. */
function residentBytes(pid: number): number {
  const status = Bun.spawnSync(["ps", "-o", "rss=", "-p", String(pid)]).stdout.toString()
  return Number(status) * 1024
}
