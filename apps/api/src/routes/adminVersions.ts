import type { ControlResult } from "@consilium/serving"
import { packExpertInWorker, PreparedModelError } from "@consilium/model"
import { Effect } from "effect"
import { Elysia } from "elysia"
import { realpathSync } from "node:fs"
import { isAbsolute, join, sep } from "node:path"
import { ApiError, invalidField } from "../http/ApiError.ts"
import { readJson } from "../http/readBody.ts"
import type { ServiceDeps } from "../http/ServiceDeps.ts"
import { judgeCanary } from "./judgeCanary.ts"
import { checkModel } from "./models.ts"

interface Wanted {
  readonly layer: number
  readonly expert: number
  /** A file in the swap directory. */
  readonly source: string
}

/**
 * Replaces experts while they serve: other versions come from files of the swap directory, all of a request at once or none.
 *
 *     POST experts/{layer}/{expert}/swap { source, share?, running?, check? }      POST swap { experts: [{ layer, expert, source }], … }
 *     POST rollback { experts?, running? }      POST canary { accept: boolean }
 */
export const adminVersions = (deps: ServiceDeps) => {
  const { engine, modelId } = deps
  const control = (command: Parameters<typeof engine.control>[0]): Promise<ControlResult> =>
    Effect.runPromise(engine.control(command))

  const swap = async (experts: readonly Wanted[], body: Record<string, unknown>): Promise<ControlResult> => {
    const { share, check } = body
    if (share !== undefined && (typeof share !== "number" || share < 0 || share > 1))
      throw invalidField("share", "share: expected a number from 0 to 1")
    const running = runningOf(body)
    const versions: string[] = []
    for (const wanted of experts) versions.push(await pack(deps, wanted))
    if (check === undefined)
      return control({ kind: "swap", versions, running, ...(share === undefined ? {} : { share }) })
    return judgeCanary(deps, check, {
      begin: () => control({ kind: "swap", versions, running, share: 0 }),
      end: (isAccepted) => control({ kind: "end-canary", isAccepted }),
    })
  }

  return new Elysia({ prefix: "/admin/models/:modelId" })
    .onBeforeHandle(({ params }) => checkModel(decodeURIComponent((params as { modelId: string }).modelId), modelId))
    .post("/experts/:layer/:expert/swap", async ({ params, request }) => {
      const body = await readJson(request)
      return swap([wantedOf({ ...params, source: body.source }, "")], body)
    })
    .post("/swap", async ({ request }) => {
      const body = await readJson(request)
      if (!Array.isArray(body.experts) || body.experts.length === 0)
        throw invalidField("experts", "experts: expected an array of { layer, expert, source }")
      return swap(
        body.experts.map((of: unknown, i) => wantedOf((of ?? {}) as Record<string, unknown>, `experts[${i}].`)),
        body,
      )
    })
    .post("/rollback", async ({ request }) => {
      const body = await readJson(request)
      const { experts = [] } = body
      if (!Array.isArray(experts)) throw invalidField("experts", "experts: expected an array of { layer, expert }")
      const places = experts.map((of: unknown, i) => placeOf((of ?? {}) as Record<string, unknown>, `experts[${i}].`))
      return control({ kind: "rollback", experts: places, running: runningOf(body) })
    })
    .post("/canary", async ({ request }) => {
      const { accept } = await readJson(request)
      if (typeof accept !== "boolean") throw invalidField("accept", "accept: expected true or false")
      return control({ kind: "end-canary", isAccepted: accept })
    })
}

function runningOf({ running = "keep" }: Record<string, unknown>): "keep" | "move" {
  if (running === "keep" || running === "move") return running
  throw invalidField("running", "running: expected keep or move")
}

function placeOf(of: Record<string, unknown>, prefix: string): { layer: number; expert: number } {
  const whole = (name: "layer" | "expert"): number => {
    const number = Number(of[name])
    if (Number.isInteger(number) && number >= 0) return number
    throw invalidField(`${prefix}${name}`, `${prefix}${name}: expected a whole number`)
  }
  return { layer: whole("layer"), expert: whole("expert") }
}

function wantedOf(of: Record<string, unknown>, prefix: string): Wanted {
  if (typeof of.source !== "string" || of.source === "")
    throw invalidField(`${prefix}source`, `${prefix}source: expected the name of a file in the swap directory`)
  return { ...placeOf(of, prefix), source: of.source }
}

/** Packs a version on a thread of its own; returns its name. @throws ApiError on a file that is not there or does not fit */
async function pack({ packing }: ServiceDeps, { layer, expert, source }: Wanted): Promise<string> {
  if (packing.swapDir === undefined)
    throw invalidField("source", "No expert can be replaced here: start the service with --swap-dir.")
  const path = within(packing.swapDir, source)
  try {
    return await packExpertInWorker({ ...packing, source: path, layer, expert })
  } catch (error) {
    if (error instanceof PreparedModelError) throw invalidField("source", error.message)
    throw error
  }
}

/** Returns a file's real path. @throws ApiError unless it lies in `dir`, symbolic links followed */
function within(dir: string, name: string): string {
  const refuse = (): ApiError =>
    invalidField("source", `source: there is no file ${JSON.stringify(name)} in the swap directory`)
  if (isAbsolute(name) || name.includes("\0")) throw refuse()
  try {
    const root = realpathSync(dir)
    const path = realpathSync(join(root, name))
    if (path.startsWith(root + sep)) return path
  } catch {
    // Said below, alike for what is not there and what is elsewhere.
  }
  throw refuse()
}
