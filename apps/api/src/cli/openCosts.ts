import {
  createAccounts,
  expertBytesPerToken,
  type Ledger,
  type ModelShape,
  openLedger,
  shapeOfModel,
} from "@consilium/cost"
import { inspectModel, modelFormats } from "@consilium/model"
import type { EngineApi } from "@consilium/serving"
import { cpus } from "node:os"
import { createRequestCosts, type RequestCosts } from "../http/RequestCosts.ts"
import { SettingError } from "../settings/SettingError.ts"
import type { Settings } from "../settings/Settings.ts"
import type { LocalModel } from "./openModel.ts"

const FREE = { inputUsdPerMillion: 0, cachedUsdPerMillion: 0, outputUsdPerMillion: 0 }

/** Opens the ledger where there is a price, or settings ask for one. @throws SettingError on budgets without a price */
export function openCostLedger({
  ledger,
  price,
  budget,
}: Pick<Settings, "ledger" | "price" | "budget">): Ledger | undefined {
  if (budget !== undefined && price === undefined)
    throw new SettingError("budget: expected a price, found none: what costs nothing has no limit")
  if (ledger === undefined && price === undefined) return undefined
  return openLedger({ path: ledger, say: (line) => console.error(line) })
}

/** Makes what routes reckon costs with. */
export function openCosts(engine: EngineApi, ledger: Ledger, model: LocalModel, settings: Settings): RequestCosts {
  return createRequestCosts(engine, {
    accounts: createAccounts(ledger, settings.budget ?? []),
    price: settings.price ?? FREE,
    modelId: model.modelId,
    numSlots: settings["max-streams"],
    numThreads: settings.threads ?? cpus().length,
    expertBytesPerToken: expertBytesPerToken(shapeOfServed(model.dir, settings)),
  })
}

/** Returns a checkpoint's shape as it is packed by the settings. */
export function shapeOfServed(dir: string, { format, dense }: Pick<Settings, "format" | "dense">): ModelShape {
  const inspection = inspectModel(dir)
  const wanted = modelFormats(format, dense)
  const packing = inspection.packings.find(
    (other) => other.format === wanted.format && other.denseFormat === wanted.denseFormat,
  )
  if (packing === undefined) throw new Error(`expected a packing for ${format} and ${dense}, found none`)
  return shapeOfModel(inspection, packing)
}
