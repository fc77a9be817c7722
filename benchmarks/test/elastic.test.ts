/** A service with 128 experts in a layer, of which few or all are awake, and others come in their place: the text is the same. */
import { afterAll, beforeAll, expect, test } from "bun:test"
import { writeSafetensors } from "@consilium/model"
import { noise } from "@consilium/tensor"
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { runnableBackends } from "../src/createBackend.ts"
import { streamChat } from "../src/load/streamChat.ts"
import { type AdminClient, createAdminClient } from "../src/soak/createAdminClient.ts"
import { freePort, type Service, startService } from "../src/startService.ts"
import { generateZipf } from "./generateZipf.ts"

const NUM_STREAMS = 8
const SHAPE = "tiny-qwen3,num_experts=128,num_experts_per_tok=8"
const HIDDEN = 128
const INTERMEDIATE = 64
// Elsewhere a text may depend on who else is served.
const runs = runnableBackends().includes("x64")
if (!runs) console.log("elastic: skipped, bits that do not depend on the batch need x64")

const work = mkdtempSync(join(tmpdir(), "consilium-elastic-"))
const swapDir = join(work, "swaps")
let service: Service
let admin: AdminClient

beforeAll(async () => {
  if (!runs) return
  mkdirSync(swapDir)
  const { sourceDir, preparedDir } = await generateZipf(work, SHAPE, 7)
  const root = join(import.meta.dir, "../..")
  const adminPort = freePort()
  const place = { root, modelDir: sourceDir, cacheDir: dirname(preparedDir), backend: "x64", numThreads: 2 } as const
  service = await startService({ ...place, format: "int8" }, ["--admin-port", String(adminPort), "--swap-dir", swapDir])
  admin = createAdminClient(`http://127.0.0.1:${adminPort}`)
})
afterAll(async () => {
  if (runs) await service.stop()
  rmSync(work, { recursive: true, force: true })
})

const ask = async (i: number): Promise<string> => {
  const call = { url: service.url, model: "default", prompt: `Tell me about the number ${i}.`, maxTokens: 64 }
  return (await streamChat(call)).text
}
/** Answers of so many streams at once. */
const askAll = (): Promise<string[]> => Promise.all(Array.from({ length: NUM_STREAMS }, (_, i) => ask(i)))
const scale = (awakePerLayer: number | null): Promise<void> =>
  admin.post("scale", { awakePerLayer, replicasPerLayer: 0 })
const residency = async (): Promise<{ readonly numAwake: number; readonly numWoken: number }> =>
  ((await admin.read("experts")) as { residency: { numAwake: number; numWoken: number } }).residency

test.skipIf(!runs)("scaled from 128 experts to 4 and back under load, again and again: no answer changes", async () => {
  const expected: string[] = []
  // Each alone, all experts awake.
  for (let i = 0; i < NUM_STREAMS; i++) expected.push(await ask(i))
  expect((await residency()).numAwake).toBe(2 * 128)
  const over = new AbortController()
  let numAnswers = 0
  const streams = Array.from({ length: NUM_STREAMS }, async (_, i) => {
    for (; !over.signal.aborted; numAnswers++) expect(await ask(i)).toBe(expected[i]!)
  })
  for (let round = 0; round < 3; round++) {
    for (const awakePerLayer of [4, 16, null]) {
      await scale(awakePerLayer)
      // Some requests begin and end under each.
      await askAll()
      if (awakePerLayer === null) continue
      expect((await residency()).numAwake).toBeLessThanOrEqual(2 * awakePerLayer)
    }
  }
  over.abort()
  await Promise.all(streams)
  expect(numAnswers).toBeGreaterThanOrEqual(NUM_STREAMS)
  expect((await residency()).numWoken).toBeGreaterThan(128)
  expect(await askAll()).toEqual(expected)
})

test.skipIf(!runs)(
  "another version of an expert comes and goes: answers change with it, and are what they were",
  async () => {
    const expected = await askAll()
    const matrix = (name: string, shape: [number, number], seed: number) => ({
      name: `${name}.weight`,
      shape,
      values: noise(shape[0] * shape[1], seed, 0.5),
    })
    const tensors = [
      matrix("gate_proj", [INTERMEDIATE, HIDDEN], 1),
      matrix("up_proj", [INTERMEDIATE, HIDDEN], 2),
      matrix("down_proj", [HIDDEN, INTERMEDIATE], 3),
    ]
    writeSafetensors(join(swapDir, "other.safetensors"), tensors)
    const { experts } = (await admin.read("experts")) as {
      experts: { layer: number; expert: number; shareOfTokens: number }[]
    }
    const { expert } = experts.filter(({ layer }) => layer === 0).sort((a, b) => b.shareOfTokens - a.shareOfTokens)[0]!
    await scale(4)
    await admin.post(`experts/0/${expert}/swap`, { source: "other.safetensors" })
    expect(await askAll()).not.toEqual(expected)
    await admin.post("rollback", {})
    expect(await askAll()).toEqual(expected)
    await scale(null)
    expect(await askAll()).toEqual(expected)
  },
)
