import {
  type Account,
  type Accounts,
  type BudgetUse,
  describeRefusal,
  describeUse,
  type LedgerEntry,
  tokenCostUsd,
  type TokenPrice,
} from "@consilium/cost"
import {
  type CompletionRequest,
  createEngineMeters,
  type EngineApi,
  type EngineMeter,
  type MeteredEngine,
} from "@consilium/serving"
import { publicError } from "./ApiError.ts"

/** What requests cost, and whether they may run. */
export interface RequestCosts {
  /** Of the model's tokens. */
  readonly price: TokenPrice
  /** Puts aside what a request may cost at most. @throws ApiError 402 where a budget does not allow it */
  open(request: CostedRequest): RequestBill
}

interface CostedRequest {
  readonly requestId: string
  readonly account: Pick<Account, "key" | "agent" | "domain">
  readonly requests: readonly CompletionRequest[]
  readonly contextLength: number
}

/** One request's costs, from its admission to its end. */
export interface RequestBill extends Pick<EngineMeter, "engine" | "noteUsage"> {
  /** Warns of budgets that come to their end. */
  readonly headers: Readonly<Record<string, string>>
  /** Until now. */
  costUsd(): number
  /** Records it, however it ended: what was computed is counted. */
  close(outcome: LedgerEntry["outcome"]): void
}

export interface CostSettings extends MeteredEngine {
  readonly accounts: Accounts
  readonly price: TokenPrice
  readonly modelId: string
}

export function createRequestCosts(engine: EngineApi, settings: CostSettings): RequestCosts {
  const { accounts, price, modelId } = settings
  const beginMeter = createEngineMeters(settings)

  return {
    price,
    open({ requestId, account: { key, agent, domain }, requests, contextLength }) {
      const account: Account = { key, agent, domain, expert: modelId, model: modelId }
      const place = accounts.reserve(account, mostUsd(requests, contextLength, price))
      if (place.kind === "refused") throw publicError("budget-exceeded", describeRefusal(place.by))
      const beganMs = performance.now()
      const meter = beginMeter(engine, requests)
      const costUsd = (): number => tokenCostUsd(meter.tokens(), price)
      return {
        headers: budgetHeaders(place.warnings),
        engine: meter.engine,
        noteUsage: meter.noteUsage,
        costUsd,
        close(outcome) {
          const entry: LedgerEntry = {
            ...account,
            ...meter.tokens(),
            ...meter.use(),
            requestId,
            atMs: Date.now(),
            outcome,
            durationMs: performance.now() - beganMs,
            price,
            costUsd: costUsd(),
          }
          place.settle([entry])
        },
      }
    },
  }
}

/** Warns of budgets that come to their end. */
export function budgetHeaders(warnings: readonly BudgetUse[]): Readonly<Record<string, string>> {
  return warnings.length === 0 ? {} : { "x-consilium-budget": warnings.map(describeUse).join("; ") }
}

/** What chat templates add: begin and end of each message, and their own instructions for tools. */
const TOKENS_PER_MESSAGE = 16
const TOKENS_OF_TEMPLATE = 512

/** Returns what requests cost at most: a token has at least a byte, and prompts and answers fit the context. */
function mostUsd(requests: readonly CompletionRequest[], contextLength: number, price: TokenPrice): number {
  return requests.reduce((sum, { prompt, numChoices, maxTokens = contextLength }) => {
    const promptTokens = Math.min(mostPromptTokens(prompt), contextLength)
    const generatedTokens = numChoices * Math.min(maxTokens, contextLength)
    return sum + tokenCostUsd({ promptTokens, cachedTokens: 0, generatedTokens }, price)
  }, 0)
}

function mostPromptTokens(prompt: CompletionRequest["prompt"]): number {
  if (prompt.kind === "ids") return prompt.ids.length
  if (prompt.kind === "text") return Buffer.byteLength(prompt.text) + TOKENS_OF_TEMPLATE
  const { messages, tools } = prompt
  const ofMessages = messages.reduce((sum, { content, name = "", toolCallId = "", toolCalls = [] }) => {
    const calls = toolCalls.length === 0 ? "" : JSON.stringify(toolCalls)
    return sum + Buffer.byteLength(content + name + toolCallId + calls) + TOKENS_PER_MESSAGE
  }, TOKENS_OF_TEMPLATE)
  return ofMessages + (tools.length === 0 ? 0 : Buffer.byteLength(JSON.stringify(tools)))
}
