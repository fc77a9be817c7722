/** Experts replaced while they serve, through the real service. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { openCheckpoint, writeSafetensors } from "@consilium/model"
import { miniModelDir } from "@consilium/testing"
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { freePort, type RunningService, startService } from "./startService.ts"

const dir = mkdtempSync(join(tmpdir(), "consilium-swap-"))
const swapDir = join(dir, "swaps")
const LAYER = 3
const NUM_EXPERTS = 8
let service: RunningService
let adminUrl: string

/** Writes an expert's projections: another expert's, scaled. */
function writeExpert(
  name: string,
  from: number,
  factor = 1,
  change: (name: string) => string = (tensor) => tensor,
): void {
  const checkpoint = openCheckpoint(miniModelDir())
  const tensors = ["gate_proj", "up_proj", "down_proj"].map((part) => {
    const stored = `model.layers.${LAYER}.mlp.experts.${from}.${part}.weight`
    const shape = checkpoint.shape(stored)
    const values = checkpoint.readTensor(stored, shape).map((value) => value * factor)
    return { name: change(`${part}.weight`), shape: [...shape], values }
  })
  checkpoint.close()
  writeSafetensors(join(swapDir, name), tensors)
}

beforeAll(async () => {
  mkdirSync(swapDir)
  for (let e = 0; e < NUM_EXPERTS; e++) writeExpert(`expert-${e}.safetensors`, (e + 1) % NUM_EXPERTS, -1)
  writeExpert("same.safetensors", 0)
  writeExpert("wild.safetensors", 0, 30)
  writeExpert("incomplete.safetensors", 0, 1, (name) => name.replace("down", "sideways"))
  writeFileSync(join(swapDir, "garbage.safetensors"), "no header")
  writeFileSync(join(dir, "outside.safetensors"), "secret")
  symlinkSync(join(dir, "outside.safetensors"), join(swapDir, "link.safetensors"))
  const adminPort = freePort()
  adminUrl = `http://127.0.0.1:${adminPort}/admin/models/default`
  service = await startService(["--admin-port", String(adminPort), "--swap-dir", swapDir, "--enable-faults"])
}, 60_000)
afterAll(async () => {
  await service.close()
  rmSync(dir, { recursive: true, force: true })
})

interface AdminBody {
  readonly versions: readonly string[]
  readonly canary: { readonly outputChange: readonly number[] } | null
  readonly error: { readonly message: string }
}
interface ExpertBody {
  readonly layer: number
  readonly version: string
}

const post = async (path: string, body: unknown): Promise<{ status: number; body: AdminBody }> => {
  const response = await fetch(`${adminUrl}/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  })
  return { status: response.status, body: (await response.json()) as AdminBody }
}

const answer = async (maxTokens = 40): Promise<string> => {
  const response = await fetch(`${service.url}/v1/chat/completions`, {
    method: "POST",
    body: JSON.stringify({
      model: "default",
      messages: [{ role: "user", content: "I lost my credit card, what should I do?" }],
      temperature: 0,
      max_tokens: maxTokens,
    }),
  })
  const body = (await response.json()) as { choices: [{ message: { content: string } }] }
  if (!response.ok) throw new Error(JSON.stringify(body))
  return body.choices[0].message.content
}

const experts = async (): Promise<ExpertBody[]> =>
  ((await (await fetch(`${adminUrl}/experts`)).json()) as { experts: ExpertBody[] }).experts
const allOfLayer = Array.from({ length: NUM_EXPERTS }, (_, expert) => ({
  layer: LAYER,
  expert,
  source: `expert-${expert}.safetensors`,
}))

describe("hot swap", () => {
  test("a set of experts swaps as one, changes answers, and rollback restores them to the letter", async () => {
    const before = await answer()
    const { status, body } = await post("swap", { experts: allOfLayer })
    expect([status, body.versions.length, body.canary]).toEqual([200, NUM_EXPERTS, null])
    const swapped = await answer()
    expect(swapped).not.toBe(before)
    const report = (await experts()).filter(({ layer }) => layer === LAYER)
    expect(report.filter(({ version }) => version !== "original").length).toBe(NUM_EXPERTS)

    // What operators want outlives the engine.
    expect((await post("faults", { kind: "kill-engine" })).status).toBe(200)
    expect(await answer()).toBe(swapped)

    expect((await post("rollback", {})).body.versions).toEqual([])
    expect(await answer()).toBe(before)
    expect((await experts()).every(({ version }) => version === "original")).toBe(true)
  }, 60_000)

  test("the same weights are the same answers, swapped and back", async () => {
    const before = await answer()
    const { status, body } = await post(`experts/${LAYER}/0/swap`, { source: "same.safetensors" })
    expect([status, body.versions.length]).toEqual([200, 1])
    expect(await answer()).toBe(before)
    await post("rollback", { experts: [{ layer: LAYER, expert: 0 }] })
    expect(await answer()).toBe(before)
  })

  test("a request that runs keeps the versions that it began with", async () => {
    const before = await answer(200)
    const running = answer(200)
    await Bun.sleep(30)
    await post("swap", { experts: allOfLayer })
    expect(await running).toBe(before)
    await post("rollback", {})
    expect(await answer(200)).toBe(before)
  })

  test("a canary serves its share, says how far it is from the others, and can be accepted or rejected", async () => {
    const before = await answer()
    const begun = await post("swap", { experts: allOfLayer, share: 0.5 })
    expect(begun.status).toBe(200)
    expect(begun.body.canary!.outputChange.length).toBe(NUM_EXPERTS)
    for (const change of begun.body.canary!.outputChange) expect(change).toBeGreaterThan(0.5)
    const answers = await Promise.all(Array.from({ length: 24 }, () => answer(24)))
    expect(new Set(answers).size).toBe(2)
    const busy = await post("swap", { experts: allOfLayer })
    expect([busy.status, busy.body.error.message]).toEqual([400, expect.stringContaining("a canary is served")])
    const { body } = await post("canary", { accept: false })
    expect(body).toMatchObject({ versions: [], canary: null })
    expect(await answer()).toBe(before)
  })

  test("versions that change answers too much for a check are not served; those that do not are", async () => {
    const check = { prompts: ["Hello", "What is the capital of France?"], bound: 0.01 }
    const refused = await post("swap", { experts: allOfLayer, check })
    expect([refused.status, refused.body.error.message]).toEqual([400, expect.stringContaining("the bound is 0.01")])
    const accepted = await post(`experts/${LAYER}/0/swap`, { source: "same.safetensors", check })
    expect([accepted.status, accepted.body.versions.length]).toEqual([200, 1])
    await post("rollback", {})
  })

  test.each([
    [{ source: "../outside.safetensors" }, "no file"],
    [{ source: "link.safetensors" }, "no file"],
    [{ source: "/etc/passwd" }, "no file"],
    [{ source: "nothing.safetensors" }, "no file"],
    [{ source: "garbage.safetensors" }, "safetensors"],
    [{ source: "incomplete.safetensors" }, "down_proj.weight"],
    [{ source: 7 }, "expected the name of a file"],
    [{ source: "same.safetensors", share: 2 }, "from 0 to 1"],
    [{ source: "same.safetensors", running: "jump" }, "keep or move"],
    [{ source: "same.safetensors", check: {} }, "check.prompts"],
  ])("%j is refused, and changes nothing", async (body, message) => {
    const before = await answer()
    const refused = await post(`experts/${LAYER}/0/swap`, body)
    expect([refused.status, refused.body.error.message]).toEqual([400, expect.stringContaining(message)])
    expect(await answer()).toBe(before)
  })

  test.each([
    ["swap", { experts: [allOfLayer[0], allOfLayer[0]] }],
    ["swap", { experts: [{ ...allOfLayer[0], layer: null }] }],
    ["swap", { experts: allOfLayer, shares: 0.1 }],
    ["swap", { experts: allOfLayer, share: 0.1, check: { prompts: ["Hello"], bound: 1 } }],
    ["rollback", { expert: [{ layer: LAYER, expert: 0 }] }],
    ["rollback", { experts: [{ layer: null, expert: null }] }],
    [`experts/%20/0/swap`, { source: "same.safetensors" }],
  ])("%s %j is no wider than it says: refused", async (path, body) => {
    expect((await post(path, body)).status).toBe(400)
    expect((await experts()).every(({ version }) => version === "original")).toBe(true)
  })

  test("experts that are none, and rollbacks to nothing, are refused", async () => {
    expect((await post("experts/99/0/swap", { source: "same.safetensors" })).status).toBe(400)
    expect((await post("experts/0/99/swap", { source: "same.safetensors" })).status).toBe(400)
    expect((await post("rollback", { experts: [{ layer: 0, expert: 1 }] })).status).toBe(400)
    expect((await post("rollback", { experts: "all" })).status).toBe(400)
    expect((await post("canary", { accept: true })).status).toBe(400)
  })
})
