/** What a fleet of fake peers does by itself, through HTTP: complex requests are consulted, a new router's file is asked. */
import { afterAll, beforeEach, describe, expect, test } from "bun:test"
import { encodeRouter, loadRouter, trainRouter } from "@consilium/fleet"
import { startFakePeer } from "@consilium/testing/peer"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { chatRequest, openFleetService } from "./openFleetService.ts"

const dir = mkdtempSync(join(tmpdir(), "consilium-fleet-auto-"))
const peers = { risk: startFakePeer(), copy: startFakePeer(), desk: startFakePeer() }
const tomlOf = (head: string): string =>
  `[fleet]\n${head}\n` +
  Object.entries({
    risk: 'role = "strong"\ndescription = "value at risk, exposure, capital"',
    copy: 'description = "slogans, campaigns, newsletters"',
    desk: "generalist = true",
  })
    .map(([name, extra]) => {
      const { url } = peers[name as keyof typeof peers]
      return `[fleet.experts.${name}]\nkind = "remote"\nurl = "${url}"\nmodel = "m"\n${extra}\n`
    })
    .join("")

const open: (() => Promise<void>)[] = []
afterAll(async () => {
  for (const close of open) await close()
  for (const peer of Object.values(peers)) peer.stop()
  rmSync(dir, { recursive: true })
})
beforeEach(() => {
  for (const [name, peer] of Object.entries(peers)) peer.does({ kind: "answer", pieces: ["by ", name] })
})

async function openService(head: string, router?: string) {
  const loaded = router === undefined ? undefined : loadRouter(router)
  const { close, ...service } = await openFleetService(tomlOf(head), "", loaded)
  open.push(close)
  return service
}

const LONG = `Compare these plans. ${"They cost so much. ".repeat(100)}\n- Which one?\n- Why?\n- Since when?\n- For whom?`

interface Body {
  readonly choices: readonly { readonly message: { readonly content: string } }[]
  readonly consilium: {
    readonly expert: string
    readonly route: { readonly why: string; readonly complexity?: number }
    readonly consultation?: { readonly kind: string; readonly answered: readonly string[] }
    readonly attempts: readonly object[]
  }
}
const read = async (response: Response): Promise<Body> => (await response.json()) as Body

describe("a fleet that consults complex requests", () => {
  test("asks several experts, answers by the lead, and says why", async () => {
    const { app } = await openService('consult = { kind = "synthesis", experts = 3, from = 0.6 }')
    const response = await app.handle(chatRequest(LONG))
    expect([response.status, response.headers.get("x-consilium-expert")]).toEqual([200, "risk"])
    const { choices, consilium } = await read(response)
    expect(choices[0]!.message.content).toBe("by risk")
    expect(consilium.consultation).toMatchObject({ kind: "synthesis", answered: ["risk", "copy", "desk"] })
    expect(consilium.attempts.length).toBe(4)
    expect(consilium.route.why).toMatch(/^consulted: complexity 0\.70, from 0\.6 on: about \d+ tokens, /)
    expect(JSON.stringify(peers.risk.requests.at(-1))).toContain("by desk")
    const streamed = await (await app.handle(chatRequest(LONG, { stream: true }))).text()
    expect(streamed).toContain("risk wrote it from 3 answers")
  })

  test("sends simple ones to who suits, or to the generalist, and those that cannot be made of several to one", async () => {
    const { app } = await openService("consult = {}")
    const askedBy = async (content: string, body: object = {}) => {
      const { consilium } = await read(await app.handle(chatRequest(content, body)))
      return [consilium.expert, consilium.attempts.length, consilium.consultation]
    }
    expect(await askedBy("A slogan for our campaign")).toEqual(["copy", 1, undefined])
    expect(await askedBy("Good morning!")).toEqual(["desk", 1, undefined])
    const tools = [{ type: "function", function: { name: "look", parameters: { type: "object" } } }]
    expect(await askedBy(LONG, { tools })).toEqual(["desk", 1, undefined])
    expect(await askedBy(LONG, { model: "copy" })).toEqual(["copy", 1, undefined])
    expect((await askedBy(LONG, { model: "auto:consult" })).slice(0, 2)).toEqual(["risk", 4])
    expect((await askedBy(LONG, { model: "auto:consult", consilium: { experts: 2 } })).slice(0, 2)).toEqual(["risk", 3])
    const voted = await askedBy(LONG, { model: "auto:consult", consilium: { consult: "vote", experts: 2 } })
    expect([voted[1], voted[2]]).toMatchObject([2, { kind: "vote" }])
    // Who wants one expert's answer gets it.
    expect(await askedBy(LONG, { consilium: { consult: false } })).toEqual(["desk", 1, undefined])
    const { app: unasked } = await openService("")
    const { consilium } = await read(await unasked.handle(chatRequest(LONG)))
    expect([consilium.consultation, consilium.route.complexity]).toEqual([undefined, undefined])
  })
})

describe("POST /admin/fleet/router", () => {
  const path = join(dir, "own.router")
  const write = (experts: readonly string[]): void => {
    const examples = ["red apple", "green leaf", "red rose", "green grass"].map((text, i) => ({
      request: { text, numImages: 0, hasTools: false },
      targets: i % 2 === 0 ? Float32Array.of(1, 0) : Float32Array.of(0, 1),
    }))
    writeFileSync(path, encodeRouter(trainRouter(examples, { experts, task: "choose", model: "linear", seed: 1 })))
  }
  const json = { host: "localhost", "content-type": "application/json" }
  const swap = (body = "{}", headers: Record<string, string> = json): Request =>
    new Request("http://localhost/admin/fleet/router", { method: "POST", headers, body })

  test("asks the new file, shows which it is, and keeps the old one where it is damaged", async () => {
    write(["risk", "copy"])
    const { app, admin } = await openService(`router = "${path}"`, path)
    const expertOf = async () => (await app.handle(chatRequest("a red apple"))).headers.get("x-consilium-expert")
    const shown = async () =>
      (await (await admin.handle(new Request("http://localhost/admin/fleet", { headers: json }))).json()) as {
        router: { kind: string; path: string; sha256: string; sinceMs: number }
      }
    const { router: first } = await shown()
    expect(first).toMatchObject({ kind: "choose", path, numTaught: 0 })
    expect(first.sha256).toMatch(/^[0-9a-f]{64}$/)
    expect(await expertOf()).toBe("risk")

    writeFileSync(path, "no router")
    const refused = await admin.handle(swap())
    expect(refused.status).toBe(400)
    expect(((await refused.json()) as { error: object }).error).toMatchObject({
      code: "invalid_value",
      message: expect.stringContaining("The router stays as it was"),
    })
    expect([(await shown()).router, await expertOf()]).toEqual([first, "risk"])

    write(["copy", "risk"])
    const swapped = await admin.handle(swap())
    expect(swapped.status).toBe(200)
    const { router, before } = (await swapped.json()) as Record<string, typeof first>
    expect([before, (await shown()).router]).toEqual([first, router!])
    expect(router!.sha256).not.toBe(first.sha256)
    expect(router!.sinceMs).toBeGreaterThanOrEqual(first.sinceMs)
    expect(await expertOf()).toBe("copy")
  })

  test("is the operator's, takes no other file, and is refused where there is none", async () => {
    const { app, admin } = await openService("")
    expect((await admin.handle(swap('{"file": "/etc/passwd"}'))).status).toBe(400)
    expect((await admin.handle(swap("?"))).status).toBe(400)
    const refused = await admin.handle(swap())
    expect([refused.status, await refused.text()]).toEqual([400, expect.stringContaining("name one in fleet.router")])
    expect((await admin.handle(swap("{}", { ...json, host: "evil.example" }))).status).toBe(403)
    expect((await app.handle(swap("{}", { authorization: "Bearer k" }))).status).toBe(404)
  })
})
