/** A service that nobody asks uses no CPU: neither of its processes polls. */
import { expect, test } from "bun:test"
import OpenAI from "openai"
import { readFileSync } from "node:fs"
import { withService } from "./startService.ts"

const isLinux = process.platform === "linux"
if (!isLinux) console.log("skipped: CPU time is read from /proc, which this system lacks")

/** Milliseconds of one clock tick of /proc. */
const TICK_MS = 10
const WINDOW_MS = 4000
/** Half a percent: the runtime itself looks after its memory now and then. */
const MOST_MS = 20

/** CPU time of a process and its children so far, in milliseconds. */
function cpuMs(pid: number): number {
  // The name before these fields may contain spaces, but no parenthesis after its own.
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ")
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean)
  const ownMs = (Number(fields[11]) + Number(fields[12])) * TICK_MS
  return children.reduce((sum, child) => sum + cpuMs(Number(child)), ownMs)
}

test.skipIf(!isLinux)(
  "an idle service uses no CPU",
  () =>
    withService([], async ({ url, pid }) => {
      const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 })
      await client.chat.completions.create({ model: "default", messages: [{ role: "user", content: "Hello!" }] })
      // After work the runtime still compiles and collects for a while: the quietest window counts.
      let quietest = Number.POSITIVE_INFINITY
      for (let window = 0; window < 4 && quietest > MOST_MS; window++) {
        const before = cpuMs(pid)
        await Bun.sleep(WINDOW_MS)
        quietest = Math.min(quietest, cpuMs(pid) - before)
      }
      expect(quietest).toBeLessThanOrEqual(MOST_MS)
    }),
  60_000,
)
