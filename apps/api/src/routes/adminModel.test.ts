/** What an operator may ask, before any engine hears of it. */
import { describe, expect, test } from "bun:test"
import type { ControlCommand } from "@consilium/serving"
import { Effect } from "effect"
import { createAdminApp } from "../http/createAdminApp.ts"
import type { ServiceDeps } from "../http/ServiceDeps.ts"

/** The admin routes before an engine that does all that it is told, with notes of what that was. */
function adminOf({ enablesFaults }: { readonly enablesFaults: boolean }) {
  const commands: ControlCommand[] = []
  const others: string[] = []
  const deps = {
    modelId: "fake",
    engine: {
      control: (command: ControlCommand) =>
        Effect.sync(() => {
          commands.push(command)
          return { kind: "done" as const }
        }),
      kill: Effect.sync(() => void others.push("kill")),
    },
    desired: { failNext: (numWrites: number) => void others.push(`fail ${numWrites}`) },
    packing: { swapDir: undefined },
  } as unknown as ServiceDeps
  const admin = createAdminApp(deps, { enablesFaults })
  const post = async (path: string, body: unknown): Promise<{ status: number; message: string | undefined }> => {
    const response = await admin.handle(
      new Request(`http://localhost/admin/models/fake/${path}`, {
        method: "POST",
        body: JSON.stringify(body),
        headers: { host: "localhost", "content-type": "application/json" },
      }),
    )
    const { error } = (await response.json()) as { readonly error?: { readonly message: string } }
    return { status: response.status, message: error?.message }
  }
  return { post, commands, others }
}

describe("POST scale", () => {
  test("what is not said is lifted, and what is reaches the engine", async () => {
    const { post, commands } = adminOf({ enablesFaults: false })
    expect((await post("scale", { awakePerLayer: 4, replicasPerLayer: 2 })).status).toBe(200)
    expect((await post("scale", { awakePerLayer: 4 })).status).toBe(200)
    expect(commands).toEqual([
      { kind: "scale", awakePerLayer: 4, replicasPerLayer: 2 },
      { kind: "scale", awakePerLayer: 4, replicasPerLayer: 0 },
    ])
  })

  test.each([
    [{ awakePerLayers: 4 }, "awakePerLayers"],
    [{ awakePerLayer: 4, layer: 1 }, "layer"],
    [{ awakePerLayer: 0 }, "awakePerLayer"],
    [{ awakePerLayer: 1.5 }, "awakePerLayer"],
    [{ awakePerLayer: "4" }, "awakePerLayer"],
    [{ replicasPerLayer: -1 }, "replicasPerLayer"],
    [{ replicasPerLayer: null }, "replicasPerLayer"],
  ])("%j is a 400 that names the field, and no command", async (body, field) => {
    const { post, commands } = adminOf({ enablesFaults: false })
    expect(await post("scale", body)).toEqual({ status: 400, message: expect.stringContaining(field) })
    expect(commands).toEqual([])
  })
})

describe("POST faults", () => {
  const place = { layer: 1, expert: 2, count: 3 }

  test("where they are not enabled, every kind is refused with the way to enable them", async () => {
    const { post, commands, others } = adminOf({ enablesFaults: false })
    for (const kind of ["throw", "kill-engine", "disk-full", "kill-host"])
      expect(await post("faults", { ...place, kind })).toEqual({
        status: 400,
        message: expect.stringContaining("--enable-faults"),
      })
    expect([commands, others]).toEqual([[], []])
  })

  test.each(["throw", "nan", "slow", "corrupt-slab", "hang-between", "hang-native", "kill-host", "disk-slow"] as const)(
    "%s reaches the engine",
    async (kind) => {
      const { post, commands } = adminOf({ enablesFaults: true })
      expect((await post("faults", { ...place, kind })).status).toBe(200)
      expect(commands).toEqual([{ ...place, kind: "fault", fault: kind }])
    },
  )

  test("kill-engine and disk-full are the service's own, and name no expert", async () => {
    const { post, commands, others } = adminOf({ enablesFaults: true })
    expect((await post("faults", { kind: "kill-engine" })).status).toBe(200)
    expect((await post("faults", { kind: "disk-full" })).status).toBe(200)
    expect([commands, others]).toEqual([[], ["kill", "fail 1"]])
  })

  test.each([
    {},
    { ...place, kind: "melt" },
    { ...place, kind: "throw", count: 0 },
    { kind: "throw", layer: 1, expert: 2 },
    { ...place, kind: "throw", layer: -1 },
    { ...place, kind: "throw", experts: 2 },
  ])("%j is a 400", async (body) => {
    const { post, commands } = adminOf({ enablesFaults: true })
    expect((await post("faults", body)).status).toBe(400)
    expect(commands).toEqual([])
  })
})

describe("commands about versions", () => {
  test.each([
    ["swap", {}],
    ["swap", { experts: [] }],
    ["swap", { experts: {} }],
    ["swap", { experts: [null] }],
    ["experts/1/2/swap", {}],
    ["canary", {}],
    ["canary", { accept: "yes" }],
    ["canary", { accept: 1 }],
    ["rollback", { running: "jump" }],
  ] as const)("POST %s %j is a 400", async (path, body) => {
    const { post, commands } = adminOf({ enablesFaults: false })
    expect((await post(path, body)).status).toBe(400)
    expect(commands).toEqual([])
  })

  test("without a directory of swaps no expert can be replaced, and that is said", async () => {
    const { post, commands } = adminOf({ enablesFaults: false })
    const swap = await post("experts/1/2/swap", { source: "expert.safetensors" })
    expect(swap).toEqual({ status: 400, message: expect.stringContaining("--swap-dir") })
    expect(commands).toEqual([])
  })

  test("a canary's end reaches the engine as it was said", async () => {
    const { post, commands } = adminOf({ enablesFaults: false })
    for (const accept of [true, false]) expect((await post("canary", { accept })).status).toBe(200)
    expect(commands).toEqual([
      { kind: "end-canary", isAccepted: true },
      { kind: "end-canary", isAccepted: false },
    ])
  })
})
