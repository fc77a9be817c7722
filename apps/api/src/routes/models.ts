import { Elysia } from "elysia"
import { ApiError } from "../http/ApiError.ts"
import type { ServiceDeps } from "../http/ServiceDeps.ts"

/** The one model that is served, by its id or as `default`. */
export const models = ({ modelId, created }: ServiceDeps) => {
  const model = { id: modelId, object: "model", created, owned_by: "consilium" }
  return new Elysia()
    .get("/v1/models", () => ({ object: "list", data: [model] }))
    .get("/v1/models/*", ({ params }) => {
      checkModel(decodeURIComponent(params["*"]), modelId)
      return model
    })
}

/** @throws ApiError 404 unless `wanted` names the served model */
export function checkModel(wanted: string, modelId: string): void {
  if (wanted === modelId || wanted === "default") return
  throw new ApiError({
    status: 404,
    type: "invalid_request_error",
    code: "model_not_found",
    param: "model",
    message: `The model ${JSON.stringify(wanted)} is not served here; ${JSON.stringify(modelId)} is, also by the name "default".`,
  })
}
