/** Experts replaced while they serve, through the real service. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { openCheckpoint, writeSafetensors } from "@consilium/model"
import { miniModelDir } from "@consilium/testing"
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
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
  // What is outside would fit: it is refused for where it is.
  mkdirSync(join(dir, "swaps-other"))
  cpSync(join(swapDir, "same.safetensors"), join(dir, "swaps-other", "x.safetensors"))
  symlinkSync(join(dir, "swaps-other"), join(swapDir, "others"))
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

const ask = (maxTokens: number, isStream: boolean): Promise<Response> =>
  fetch(`${service.url}/v1/chat/completions`, {
    method: "POST",
    body: JSON.stringify({
      model: "default",
      messages: [{ role: "user", content: "I lost my credit card, what should I do?" }],
      temperature: 0,
      max_tokens: maxTokens,
      stream: isStream,
    }),
  })

const answer = async (maxTokens = 40): Promise<string> => {
  const response = await ask(maxTokens, false)
  const body = (await response.json()) as { choices: [{ message: { content: string } }] }
  if (!response.ok) throw new Error(JSON.stringify(body))
  return body.choices[0].message.content
}

/** Begins an answer, and returns when its first token is there. */
async function streamAnswer(maxTokens: number): Promise<{ readonly rest: () => Promise<string> }> {
  const reader = (await ask(maxTokens, true)).body!.pipeThrough(new TextDecoderStream()).getReader()
  let sse = ""
  const textOf = (): string =>
    sse
      .split("\n\n")
      .filter((event) => event.startsWith("data: {"))
      .map((event) => JSON.parse(event.slice("data: ".length)) as { choices: { delta: { content?: string } }[] })
      .map(({ choices }) => choices[0]?.delta.content ?? "")
      .join("")
  const read = async (): Promise<boolean> => {
    const { done, value = "" } = await reader.read()
    sse += value
    return !done
  }
  while (!sse.endsWith("\n\n") || textOf() === "") if (!(await read())) throw new Error(`no token: ${sse}`)
  return {
    async rest() {
      while (await read());
      return textOf()
    },
  }
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
    const running = await streamAnswer(200)
    await post("swap", { experts: allOfLayer })
    expect(await running.rest()).toBe(before)
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
    // The same weights change nothing at all.
    const equal = await post(`experts/${LAYER}/0/swap`, { source: "same.safetensors", check: { ...check, bound: 0 } })
    expect([equal.status, equal.body.versions.length]).toEqual([200, 1])
    await post("rollback", {})
  })

  test("faults of each kind are taken, and a disk that is full loses nothing that operators want of this service", async () => {
    const before = await answer()
    for (const kind of ["throw", "nan", "slow", "corrupt-slab", "hang-between", "hang-native", "disk-slow"])
      expect((await post("faults", { kind, layer: LAYER, expert: 0, count: 1 })).status, kind).toBe(200)
    expect((await post("faults", { kind: "disk-full" })).status).toBe(200)
    expect((await post("swap", { experts: allOfLayer })).status).toBe(200)
    const swapped = await experts()
    // With the engine go the faults that were to come, not what is wanted.
    expect((await post("faults", { kind: "kill-engine" })).status).toBe(200)
    expect(await answer()).not.toBe(before)
    const versionsOf = (all: readonly ExpertBody[]) => all.map(({ version }) => version).toSorted()
    expect(versionsOf(await experts())).toEqual(versionsOf(swapped))
    await post("rollback", {})
    expect(await answer()).toBe(before)
  }, 60_000)

  test.each([
    [{ source: "../outside.safetensors" }, "no file"],
    [{ source: "link.safetensors" }, "no file"],
    [{ source: "../swaps-other/x.safetensors" }, "no file"],
    [{ source: "others/x.safetensors" }, "no file"],
    [{ source: "." }, "no file"],
    [{ source: "same.safetensors\0" }, "no file"],
    [{ source: "" }, "expected the name of a file"],
    [{ source: "/etc/passwd" }, "no file"],
    [{ source: "nothing.safetensors" }, "no file"],
    [{ source: "garbage.safetensors" }, "safetensors"],
    [{ source: "incomplete.safetensors" }, "down_proj.weight"],
    [{ source: 7 }, "expected the name of a file"],
    [{ source: "same.safetensors", share: 2 }, "from 0 to 1"],
    [{ source: "same.safetensors", running: "jump" }, "keep or move"],
    [{ source: "same.safetensors", share: -0.1 }, "from 0 to 1"],
    [{ source: "same.safetensors", check: {} }, "check.prompts"],
    [{ source: "same.safetensors", check: { prompts: [], bound: 1 } }, "check.prompts"],
    [{ source: "same.safetensors", check: { prompts: [""], bound: 1 } }, "check.prompts"],
    [{ source: "same.safetensors", check: { prompts: ["Hello"], bound: 2 } }, "check.bound"],
    [{ source: "same.safetensors", check: { prompts: ["Hello"], bound: -1 } }, "check.bound"],
    [{ source: "same.safetensors", check: { prompts: ["Hello"] } }, "check.bound"],
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

  test("a file is named within the directory: a whole path is refused, even one into it", async () => {
    const { status, body } = await post(`experts/${LAYER}/0/swap`, { source: join(swapDir, "same.safetensors") })
    expect([status, body.error.message]).toEqual([400, expect.stringContaining("no file")])
  })

  test("a check has 64 prompts at most", async () => {
    const check = (length: number) => ({ prompts: Array.from({ length }, () => "x"), bound: 1 })
    const many = await post(`experts/${LAYER}/0/swap`, { source: "nothing.safetensors", check: check(65) })
    expect(many.body.error.message).toContain("check.prompts: expected 1 to 64 texts")
    const most = await post(`experts/${LAYER}/0/swap`, { source: "nothing.safetensors", check: check(64) })
    expect(most.body.error.message).toContain("no file")
  })

  test("experts that are none, and rollbacks to nothing, are refused", async () => {
    expect((await post("experts/99/0/swap", { source: "same.safetensors" })).status).toBe(400)
    expect((await post("experts/0/99/swap", { source: "same.safetensors" })).status).toBe(400)
    expect((await post("rollback", { experts: [{ layer: 0, expert: 1 }] })).status).toBe(400)
    expect((await post("rollback", { experts: "all" })).status).toBe(400)
    expect((await post("canary", { accept: true })).status).toBe(400)
  })
})
