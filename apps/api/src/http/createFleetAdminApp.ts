import { adminFleet } from "../routes/adminFleet.ts"
import { ApiError } from "./ApiError.ts"
import { createAdminApp } from "./createAdminApp.ts"
import { createAdminShell } from "./createAdminShell.ts"
import type { FleetDeps } from "./FleetDeps.ts"

interface AdminOptions {
  readonly adminKey?: string | undefined
  readonly enablesFaults?: boolean
}

/** The admin listener of a fleet: `/admin/fleet`, and for each local expert all that one model has, under `/admin/models/{expert}/`. */
export function createFleetAdminApp(deps: FleetDeps, options: AdminOptions) {
  const apps = new Map(deps.models.map((model) => [model.modelId, createAdminApp(model, options)]))
  // Where there is one, nobody need name it.
  if (deps.models.length === 1) apps.set("default", apps.get(deps.models[0]!.modelId)!)
  return createAdminShell(options.adminKey)
    .use(adminFleet(deps))
    .all(
      "/admin/models/:modelId/*",
      ({ request, params }) =>
        (apps.get(params.modelId) ?? unknownModel(params.modelId, [...apps.keys()])).handle(request),
      { parse: "none" },
    )
}

/** @throws ApiError 404 */
function unknownModel(wanted: string, names: readonly string[]): never {
  throw new ApiError({
    status: 404,
    type: "invalid_request_error",
    code: "model_not_found",
    message: `There is no local expert ${JSON.stringify(wanted)} here: expected one of ${names.join(", ") || "none"}.`,
  })
}
