import type { TokenPrice } from "@consilium/cost"
import { Elysia } from "elysia"
import { agentModel } from "../agents/agentModel.ts"
import { ApiError } from "../http/ApiError.ts"
import { decodePath } from "../http/decodePath.ts"
import type { FleetDeps } from "../http/FleetDeps.ts"

/** `auto`, the experts by their names, and the agents that they speak for. */
export const fleetModels = ({ fleet, created, agentNames }: FleetDeps) => {
  const model = (id: string, rest: object = {}) => ({ id, object: "model", created, owned_by: "consilium", ...rest })
  const answering = fleet.config.experts.filter(({ kind }) => kind !== "onnx")
  const data = [
    model("auto"),
    ...answering.map(({ name, kind, domain, description, modalities, price }) =>
      model(name, { consilium: { kind, domain, description, modalities, price: wirePrice(price) } }),
    ),
    ...agentNames.map((name) => model(agentModel(name))),
  ]
  return new Elysia()
    .get("/v1/models", () => ({ object: "list", data }))
    .get("/v1/models/*", ({ params }) => {
      const wanted = decodePath(params["*"])
      return (
        data.find(({ id }) => id === wanted) ??
        unknownModel(
          wanted,
          answering.map(({ name }) => name),
        )
      )
    })
}

/** As the fleet's table has it. */
const wirePrice = ({ inputUsdPerMillion, cachedUsdPerMillion, outputUsdPerMillion }: TokenPrice) => ({
  input: inputUsdPerMillion,
  cached: cachedUsdPerMillion,
  output: outputUsdPerMillion,
})

/** @throws ApiError 404 that names who is there */
export function unknownModel(wanted: string, experts: readonly string[]): never {
  const names = experts.map((name) => JSON.stringify(name)).join(", ")
  throw new ApiError({
    status: 404,
    type: "invalid_request_error",
    code: "model_not_found",
    param: "model",
    message: `The model ${JSON.stringify(wanted)} is not served here: expected "auto", "auto:0.3" for a share of the strong expert, "auto:consult", or one of ${names}.`,
  })
}
