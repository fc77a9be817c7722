import { GREEDY } from "@consilium/model"
import type { FleetRequest } from "../src/index.ts"

/** A request of one user message. */
export function requestOf(content: string, change: Partial<FleetRequest> = {}): FleetRequest {
  return {
    requestId: "r",
    target: { kind: "auto", consults: false },
    messages: [{ role: "user", content }],
    tools: [],
    numChoices: 1,
    sampling: GREEDY,
    seed: undefined,
    maxTokens: undefined,
    stop: [],
    numTopLogProbs: undefined,
    trace: false,
    isStream: false,
    budgetUsd: Number.POSITIVE_INFINITY,
    purse: undefined,
    consult: undefined,
    ...change,
  }
}
