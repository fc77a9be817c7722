import { ControlCommand } from "@consilium/serving"
import { Schema } from "effect"
import { Elysia } from "elysia"
import { ApiError } from "../http/ApiError.ts"
import { checkModel } from "./models.ts"

/** Routes of an operator, below the name of the served model. */
export const adminRoutes = (modelId: string) =>
  new Elysia({ prefix: "/admin/models/:modelId" }).onBeforeHandle(({ params }) =>
    checkModel((params as { readonly modelId: string }).modelId, modelId),
  )

const decode = Schema.decodeUnknownSync(ControlCommand, { onExcessProperty: "error" })

/** @throws ApiError 400 in the schema's words, for fields that it does not know too */
export function parseCommand(command: unknown): ControlCommand {
  try {
    return decode(command)
  } catch (error) {
    throw badRequest((error as Error).message)
  }
}

export function badRequest(message: string): ApiError {
  return new ApiError({ status: 400, type: "invalid_request_error", code: "bad_request", message })
}
