import type { TokenPrice } from "@consilium/cost"
import type { BreakerPolicy } from "@consilium/scheduling"
import type { Consult } from "../Consult.ts"
import type { EmbedderConfig } from "./parseEmbedder.ts"
import type { RoutingRule } from "../router/rules/createRuleFinder.ts"

export interface ExpertLimits {
  /** Most answers at once; Infinity unless given. */
  readonly concurrency: number
  readonly requestsPerMinute: number
  /** Most tokens of an answer: more are asked for, fewer are given. */
  readonly maxTokens: number
}

export type Modality = "text" | "image"

interface ExpertBase {
  readonly name: string
  readonly domain: string
  readonly description: string
  /** Requests that are its own. */
  readonly examples: readonly string[]
  readonly price: TokenPrice
  readonly limits: ExpertLimits
  readonly modalities: readonly Modality[]
  /** Who is asked first where this one fails. */
  readonly standby: string | undefined
  /** Takes what no other expert stands out for. */
  readonly isGeneralist: boolean
  /** Of `auto:0.3`, which shares requests out between the strong and the cheap. */
  readonly role: "strong" | "cheap" | undefined
  readonly rules: RoutingRule | undefined
  /** An attempt that says nothing for so long is given up. */
  readonly timeoutMs: number
  /** Events of the calendar that bring it load. */
  readonly events: readonly string[]
}

/** A model that our own engine serves. */
export interface LocalExpertConfig extends ExpertBase {
  readonly kind: "local"
  /** A checkpoint directory or a hub name, as `--model`. */
  readonly model: string
  /** As `--format` unless given. */
  readonly format: "f32" | "int8" | "int4" | undefined
  /** Resident bytes that its engine may have; as much as its weights want unless given. */
  readonly memoryBytes: number | undefined
}

/** An endpoint that speaks OpenAI's protocol. */
export interface RemoteExpertConfig extends ExpertBase {
  readonly kind: "remote"
  /** Up to and with `/v1`. */
  readonly url: string
  readonly model: string
  /** The environment variable that holds its key. */
  readonly keyEnv: string | undefined
  /** It goes on with an answer whose beginning it is given as the last message. */
  readonly continues: boolean
}

/** A user's decoder in ONNX, which our engine runs as it was exported. */
export interface OnnxTextExpertConfig extends ExpertBase {
  readonly kind: "onnx-text"
  /** Its file, with the tokenizer beside it. */
  readonly model: string
  /** Resident bytes that its engine may have; reckoned by its files unless given. */
  readonly memoryBytes: number | undefined
}

/** Looks at images for experts that read text: format, size and colours, and a classifier's labels where it has one. */
export interface OnnxExpertConfig extends ExpertBase {
  readonly kind: "onnx"
  /** The classifier's file. */
  readonly model: string | undefined
  readonly labels: readonly string[]
  /** Width and height of what it sees. */
  readonly size: number
  /** Of each colour, with values from 0 to 1. */
  readonly mean: readonly number[]
  readonly deviation: readonly number[]
}

export type ExpertConfig = LocalExpertConfig | RemoteExpertConfig | OnnxTextExpertConfig | OnnxExpertConfig

/** An expert that runs in an engine of ours. */
export type EngineExpertConfig = LocalExpertConfig | OnnxTextExpertConfig

export function isEngineExpert(expert: ExpertConfig): expert is EngineExpertConfig {
  return expert.kind === "local" || expert.kind === "onnx-text"
}

/** Which requests to `auto` are consulted unasked, and how. */
export interface ConsultPolicy extends Consult {
  /** Those of this complexity and more, 0 to 1. */
  readonly from: number
}

/** The `[fleet]` table, parsed. */
export interface FleetConfig {
  readonly experts: readonly ExpertConfig[]
  /** Most time of a request, whatever is tried. */
  readonly deadlineMs: number
  /** An expert whose score is below goes after the generalist. */
  readonly leastScore: number
  /** A trained router's file. */
  readonly router: string | undefined
  /** What embeds requests, for a router that was trained with embeddings. */
  readonly embedder: EmbedderConfig | undefined
  /** Undefined: only who asks for a consultation gets one. */
  readonly consult: ConsultPolicy | undefined
  readonly breaker: BreakerPolicy
}
