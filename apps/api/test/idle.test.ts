/** A service that nobody asks uses no CPU: neither of its processes polls. */
import { expect, test } from "bun:test"
import OpenAI from "openai"
import { readdirSync, readFileSync } from "node:fs"
import { withService } from "./startService.ts"

const isLinux = process.platform === "linux"
if (!isLinux) console.log("skipped: CPU time is read from /proc, which this system lacks")

/** Milliseconds of one clock tick of /proc. */
const TICK_MS = 10
const WINDOW_MS = 4000
/** Half a percent: the runtime itself looks after its memory now and then. */
const MOST_MS = 20
/** The runtime's allocator gives memory back in a thread of its own, for minutes after work: 1–2 ms a second that are not ours. */
const ALLOCATOR_THREAD = "mi-scavenger"

/** CPU time in a `stat` file of /proc, in milliseconds. */
function statMs(path: string): number {
  // The name before these fields may contain spaces, but no parenthesis after its own.
  const fields = readFileSync(path, "utf8").split(") ")[1]!.split(" ")
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS
}

/** CPU time of a process and its children so far but for their allocators' threads, in milliseconds. */
function cpuMs(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`).map((id) => `/proc/${pid}/task/${id}`)
  const allocator = threads.filter((thread) => readFileSync(`${thread}/comm`, "utf8").trim() === ALLOCATOR_THREAD)
  const ownMs = allocator.reduce((rest, thread) => rest - statMs(`${thread}/stat`), statMs(`/proc/${pid}/stat`))
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean)
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
