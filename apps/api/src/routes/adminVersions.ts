import type { ControlResult } from "@consilium/serving"
import { packExpertInWorker, PreparedModelError } from "@consilium/model"
import { Effect } from "effect"
import { realpathSync } from "node:fs"
import { isAbsolute, join, sep } from "node:path"
import { ApiError, invalidField } from "../http/ApiError.ts"
import { readJson } from "../http/readBody.ts"
import type { ModelDeps } from "../http/ServiceDeps.ts"
import { adminRoutes, parseCommand } from "./adminRoutes.ts"
import { judgeCanary, parseCheck } from "./judgeCanary.ts"

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
export const adminVersions = (deps: ModelDeps) => {
  const { engine, modelId } = deps
  const control = (command: Parameters<typeof engine.control>[0]): Promise<ControlResult> =>
    Effect.runPromise(engine.control(command))

  const swap = async (experts: readonly Wanted[], body: Record<string, unknown>, signal: AbortSignal) => {
    const { share, running = "keep", check } = body
    if (share !== undefined && (typeof share !== "number" || share < 0 || share > 1))
      throw invalidField("share", "share: expected a number from 0 to 1")
    if (running !== "keep" && running !== "move") throw invalidField("running", "running: expected keep or move")
    if (check !== undefined && share !== undefined)
      throw invalidField("share", "share: expected none beside a check, which serves all requests or none")
    const judged = check === undefined ? undefined : parseCheck(check)
    const versions: string[] = []
    for (const wanted of experts) versions.push(await pack(deps, wanted))
    if (judged === undefined)
      return control({ kind: "swap", versions, running, ...(share === undefined ? {} : { share }) })
    return judgeCanary(deps, judged, signal, {
      begin: () => control({ kind: "swap", versions, running, share: 0 }),
      end: (isAccepted) => control({ kind: "end-canary", isAccepted }),
    })
  }

  return adminRoutes(modelId)
    .post("/experts/:layer/:expert/swap", async ({ params, request }) => {
      const body = await readJson(request)
      refuseOthers(body, ["source", "share", "running", "check"])
      const place = { layer: numberOf(params.layer), expert: numberOf(params.expert) }
      return swap([wantedOf({ ...place, source: body.source }, "")], body, request.signal)
    })
    .post("/swap", async ({ request }) => {
      const body = await readJson(request)
      refuseOthers(body, ["experts", "share", "running", "check"])
      if (!Array.isArray(body.experts) || body.experts.length === 0)
        throw invalidField("experts", "experts: expected an array of { layer, expert, source }")
      const experts = body.experts.map((of: unknown, i) =>
        wantedOf((of ?? {}) as Record<string, unknown>, `experts[${i}].`),
      )
      const places = new Set(experts.map(({ layer, expert }) => `${layer}-${expert}`))
      if (places.size < experts.length) throw invalidField("experts", "experts: expected each expert once")
      return swap(experts, body, request.signal)
    })
    .post("/rollback", async ({ request }) =>
      control(parseCommand({ experts: [], running: "keep", ...(await readJson(request)), kind: "rollback" })),
    )
    .post("/canary", async ({ request }) => {
      const { accept } = await readJson(request)
      if (typeof accept !== "boolean") throw invalidField("accept", "accept: expected true or false")
      return control({ kind: "end-canary", isAccepted: accept })
    })
}

/** A misspelt option must not become the usual one: who asks for a share does not want all. @throws ApiError */
function refuseOthers(body: Record<string, unknown>, known: readonly string[]): void {
  const other = Object.keys(body).find((name) => !known.includes(name))
  if (other !== undefined) throw invalidField(other, `${other}: expected one of ${known.join(", ")}`)
}

/** Reads a number of the path; NaN where it is none. */
function numberOf(text: string): number {
  return /^\d+$/.test(text) ? Number(text) : Number.NaN
}

function wantedOf({ layer, expert, source }: Record<string, unknown>, prefix: string): Wanted {
  if (typeof source !== "string" || source === "")
    throw invalidField(`${prefix}source`, `${prefix}source: expected the name of a file in the swap directory`)
  const whole = (name: string, number: unknown): number => {
    if (typeof number === "number" && Number.isSafeInteger(number) && number >= 0) return number
    throw invalidField(`${prefix}${name}`, `${prefix}${name}: expected a whole number`)
  }
  return { layer: whole("layer", layer), expert: whole("expert", expert), source }
}

/** Packs a version on a thread of its own; returns its name. @throws ApiError on a file that is not there or does not fit */
async function pack({ packing }: ModelDeps, { layer, expert, source }: Wanted): Promise<string> {
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
