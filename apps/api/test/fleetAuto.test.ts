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
