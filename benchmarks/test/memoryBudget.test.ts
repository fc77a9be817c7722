/** A model larger than the memory that its engine may use: the budget is kept, and where a memory cgroup can be written it is enforced by one. */
import { afterAll, beforeAll, expect, test } from "bun:test"
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { runnableBackends } from "../src/createBackend.ts"
import type { GeneratedModel } from "../src/generate/generateModel.ts"
import { streamChat } from "../src/load/streamChat.ts"
import { findCgroups } from "../src/paging/online/runPaged.ts"
import { createAdminClient } from "../src/soak/createAdminClient.ts"
import { freePort, type Service, startService } from "../src/startService.ts"
import { generateZipf } from "./generateZipf.ts"

const MIB = 2 ** 20
/** 256 experts of 1.2 MiB. */
const SHAPE =
  "tiny-qwen3,num_experts=64,num_experts_per_tok=8,num_hidden_layers=4,hidden_size=640,moe_intermediate_size=640"
/** The process, what is dense, and less than half of the experts. */
const MEMORY = 320 * MIB
const TOLERANCE = 1.1
/** What the HTTP process may take beside the engine. */
const HTTP_BYTES = 192 * MIB

// Elsewhere a text may depend on who else is served.
const backend = runnableBackends().includes("x64") ? "x64" : undefined
if (backend === undefined) console.log("memoryBudget: skipped, bits that do not depend on the batch need x64")
const cgroups = findCgroups()
if (cgroups === undefined)
  console.log("memoryBudget: no memory cgroup can be written: resident memory alone is looked at")

const work = mkdtempSync(join(tmpdir(), "consilium-budget-"))
let model: GeneratedModel

beforeAll(async () => {
  if (backend === undefined) return
  model = await generateZipf(work, SHAPE, 5)
})
afterAll(() => rmSync(work, { recursive: true, force: true }))

interface Run {
  readonly answers: readonly string[]
  readonly numWoken: number
  /** The most that the engine was ever resident with. */
  readonly peakBytes: number
}

/** Has a service answer long prompts, four streams at once. */
async function run(memoryMiB: number): Promise<Run> {
  const adminPort = freePort()
  const place = {
    root: join(import.meta.dir, "../.."),
    modelDir: model.sourceDir,
    cacheDir: dirname(model.preparedDir),
  }
  const limits = ["--memory", `${memoryMiB}MiB`, "--context", "512", "--max-streams", "4"]
  const service = await startService({ ...place, format: "int8", backend: backend!, numThreads: 2 }, [
    ...limits,
    "--admin-port",
    String(adminPort),
  ])
  try {
    const ask = async (i: number): Promise<string> => {
      const call = { url: service.url, model: "default", prompt: `${i} is a number. `.repeat(16), maxTokens: 40 }
      return (await streamChat(call)).text
    }
    const answers: string[] = []
    for (const first of [0, 4, 0, 4]) answers.push(...(await Promise.all([0, 1, 2, 3].map((i) => ask(first + i)))))
    const { residency } = (await createAdminClient(`http://127.0.0.1:${adminPort}`).read("experts")) as {
      residency: { numWoken: number }
    }
    return { answers, numWoken: residency.numWoken, peakBytes: peakBytesOf(engineOf(service)) }
  } finally {
    await service.stop()
  }
}

function engineOf({ pid }: Service): number {
  return Number(
    Bun.spawnSync(["pgrep", "-P", String(pid)])
      .stdout.toString()
      .trim(),
  )
}

function peakBytesOf(pid: number): number {
  return Number(/^VmHWM:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) * 1024
}

/** Runs `body` with the processes that it starts under a memory limit. */
async function underLimit<T>(bytes: number, body: () => Promise<T>): Promise<T> {
  if (cgroups === undefined) return body()
  const limited = join(cgroups, `consilium-budget-${process.pid}`)
  const [, own = "/"] = /^\d+:memory:(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8")) ?? []
  const enter = (dir: string): void => writeFileSync(join(dir, "cgroup.procs"), String(process.pid))
  mkdirSync(limited)
  try {
    writeFileSync(join(limited, "memory.limit_in_bytes"), String(bytes))
    enter(limited)
    return await body()
  } finally {
    enter(join(cgroups, own))
    rmdirSync(limited)
  }
}

test.skipIf(backend === undefined)(
  "an engine whose experts do not fit keeps its budget, and answers as one that holds them all",
  async () => {
    const whole = await run(2048)
    expect(whole.numWoken).toBe(0)
    expect(whole.peakBytes).toBeGreaterThan(MEMORY * TOLERANCE)
    const limit = Math.ceil(MEMORY * TOLERANCE) + HTTP_BYTES
    const paged = await underLimit(limit, () => run(MEMORY / MIB))
    expect(paged.numWoken).toBeGreaterThan(256)
    expect(paged.peakBytes).toBeLessThan(MEMORY * TOLERANCE)
    expect(paged.answers).toEqual(whole.answers)
  },
)
