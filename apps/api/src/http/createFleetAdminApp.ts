import { adminFleet } from "../routes/adminFleet.ts"
import { createAdminShell } from "./createAdminShell.ts"
import type { FleetDeps } from "./FleetDeps.ts"

/** The admin listener of a fleet: under `/admin/fleet`. */
export function createFleetAdminApp(deps: FleetDeps, { adminKey }: { readonly adminKey?: string | undefined }) {
  return createAdminShell(adminKey).use(adminFleet(deps))
}
