/** A service that nobody asks uses no CPU: neither of its processes polls. */
import { expect, test } from "bun:test"
import OpenAI from "openai"
import { readdirSync, readFileSync } from "node:fs"
import { withService } from "./startService.ts"

const isLinux = process.platform === "linux"
if (!isLinux) console.log("skipped: CPU time per thread is read from /proc, which this system lacks")

/** CPU time of a process and its children so far, in milliseconds. */
function cpuMs(pid: number): number {
  const tasks = readdirSync(`/proc/${pid}/task`)
  const ownNs = tasks.reduce((sum, task) => sum + Number(read(`/proc/${pid}/task/${task}/schedstat`).split(" ")[0]), 0)
  const children = tasks.flatMap((task) => read(`/proc/${pid}/task/${task}/children`).split(" ").filter(Boolean))
  return children.reduce((sum, child) => sum + cpuMs(Number(child)), ownNs / 1e6)
}

/** A thread may end between two looks. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8")
  } catch {
    return "0"
  }
}

test.skipIf(!isLinux)(
  "an idle service uses no CPU",
  () =>
    withService([], async ({ url, pid }) => {
      const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 })
      await client.chat.completions.create({ model: "default", messages: [{ role: "user", content: "Hello!" }] })
      // After work the runtime still compiles and collects for a while: the quietest of a few seconds counts.
      let quietest = Number.POSITIVE_INFINITY
      for (let second = 0; second < 8 && quietest > 5; second++) {
        const before = cpuMs(pid)
        await Bun.sleep(1000)
        quietest = Math.min(quietest, Math.abs(cpuMs(pid) - before))
      }
      expect(quietest).toBeLessThan(5)
    }),
  60_000,
)
