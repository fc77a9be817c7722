/** A remote model that follows a script: an HTTP server that speaks OpenAI's protocol, asked through the fleet's own client. */
import { createRemoteExpert, parseFleet, type RemoteExpertConfig } from "@consilium/fleet"
import { type PeerBehaviour, startFakePeer } from "@consilium/testing/peer"
import { type AgentModel, createExpertModel } from "../src/index.ts"

/** One answer: words, or words and calls. */
export type ScriptedTurn =
  | string
  | {
      readonly text?: string
      readonly calls?: readonly (readonly [name: string, args: string])[]
      readonly reason?: "length"
    }
  /** Says so much and then nothing, or breaks off there. */
  | { readonly hangs: string }
  | { readonly breaks: string }
  | { readonly status: number }

interface Body {
  readonly messages: readonly { readonly role: string; readonly content: string }[]
  readonly tools?: readonly { readonly function: { readonly name: string } }[]
}

export interface ScriptedModel {
  readonly model: AgentModel
  /** What it was asked, oldest first. */
  readonly requests: readonly Body[]
  readonly numAbandoned: () => number
  readonly stop: () => void
}

const PROMPT_TOKENS = 100
const ANSWER_TOKENS = 20

/** @param onAsk told of each request as it comes */
export function startScriptedModel(
  script: readonly ScriptedTurn[],
  onAsk: (body: Body) => void,
  contextLength = 8192,
): ScriptedModel {
  const requests: Body[] = []
  const peer = startFakePeer((sent) => {
    const body = sent as unknown as Body
    const turn = script[requests.length] ?? "the script has ended"
    requests.push(body)
    onAsk(body)
    return behaviourOf(turn)
  })
  const price = { input: 1, output: 10 }
  const table = { experts: { far: { kind: "remote", url: peer.url, model: "scripted", price } } }
  const config = parseFleet(table, "test").experts[0] as RemoteExpertConfig
  return {
    model: createExpertModel(createRemoteExpert(config, "sk-of-the-provider"), config, contextLength),
    requests,
    numAbandoned: () => peer.numAbandoned,
    stop: () => peer.stop(),
  }
}

function behaviourOf(turn: ScriptedTurn): PeerBehaviour {
  if (typeof turn === "string") return behaviourOf({ text: turn })
  if ("status" in turn) return { kind: "status", status: turn.status }
  if ("hangs" in turn) return { kind: "hang", pieces: pieces(turn.hangs) }
  if ("breaks" in turn) return { kind: "cut", pieces: pieces(turn.breaks) }
  const { text = "", calls = [], reason = calls.length > 0 ? "tool_calls" : "stop" } = turn
  const events = [
    ...pieces(text).map((content) => chunk({ content })),
    ...calls.flatMap(([name, args], index) => [
      chunk({ tool_calls: [{ index, id: `c${index}`, function: { name, arguments: "" } }] }),
      ...pieces(args).map((piece) => chunk({ tool_calls: [{ index, function: { arguments: piece } }] })),
    ]),
    chunk({}, reason),
    JSON.stringify({ choices: [], usage: { prompt_tokens: PROMPT_TOKENS, completion_tokens: ANSWER_TOKENS } }),
    "[DONE]",
  ]
  return { kind: "raw", events }
}

function chunk(delta: object, finish: string | null = null): string {
  return JSON.stringify({ choices: [{ index: 0, delta, finish_reason: finish }] })
}

/** As a model says it, some characters at a time. */
function pieces(text: string): readonly string[] {
  return text.match(/[\s\S]{1,5}/gu) ?? []
}
