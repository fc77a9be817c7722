import { adminModel } from "../routes/adminModel.ts"
import { adminVersions } from "../routes/adminVersions.ts"
import { createAdminShell } from "./createAdminShell.ts"
import type { ModelDeps } from "./ServiceDeps.ts"

interface AdminOptions {
  readonly adminKey?: string | undefined
  readonly enablesFaults?: boolean
}

/** The admin listener of one model: under `/admin/models/{modelId}/`. */
export function createAdminApp(deps: ModelDeps, { adminKey, enablesFaults = false }: AdminOptions) {
  return createAdminShell(adminKey).use(adminModel(deps, { enablesFaults })).use(adminVersions(deps))
}
