import { type FleetConfig, type FleetRequest, parseTarget } from "@consilium/fleet"
import type { ConsiliumRequest } from "../http/consilium.ts"
import { parseFleetWishes } from "../http/consiliumOfFleet.ts"
import type { RequestFields } from "../http/RequestFields.ts"
import { unknownModel } from "../routes/fleetModels.ts"
import { parseChatRequest } from "./parseChatRequest.ts"

/** A fleet's request, and what the response's form wants to know. */
export interface ParsedFleetRequest {
  /** As the client wrote it. */
  readonly model: string
  readonly includesUsage: boolean
  readonly unknownFields: readonly string[]
  readonly consilium: ConsiliumRequest
  readonly request: Omit<FleetRequest, "requestId" | "purse">
}

/** Reads a chat completion request to a fleet. @throws ApiError naming the field */
export function parseFleetRequest(fields: RequestFields, { experts }: FleetConfig): ParsedFleetRequest {
  const { model, includesUsage, unknownFields, consilium, ...chat } = parseChatRequest(fields, { readsImages: true })
  const answering = experts.filter(({ kind }) => kind !== "onnx").map(({ name }) => name)
  const target = parseTarget(model, answering) ?? unknownModel(model, answering)
  const usualKind = target.kind === "auto" && target.consults ? "synthesis" : undefined
  const { consult, budgetUsd } = parseFleetWishes(fields, usualKind)
  if (consult && target.kind === "expert") fields.fail("model", '"auto" with consilium.consult')
  if (consult && chat.numChoices > 1) fields.fail("n", "1 with a consultation")
  if (consult && chat.tools.length > 0) fields.fail("tools", "none with a consultation")
  return {
    model,
    includesUsage,
    unknownFields,
    consilium,
    request: { ...chat, target, trace: consilium.trace, budgetUsd, consult },
  }
}
