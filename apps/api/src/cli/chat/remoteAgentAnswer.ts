import { UsageError } from "../Command.ts"
import { readEvents } from "../readEvents.ts"
import { type AgentChatOptions, show } from "./agentAnswer.ts"
import type { Answer, Terminal } from "./converse.ts"
import { postTo } from "./postTo.ts"

type Shown = Parameters<typeof show>[0]

/** A run's body, at its end. */
interface RunBody {
  readonly object: "agent.run"
  readonly id: string
  readonly pending?: readonly { readonly call_id: string; readonly tool: string; readonly arguments: string }[]
}

type Event = Shown | RunBody | { readonly error: { readonly message: string } }

/** Answers by an agent of a running service. @throws UsageError (rejects) with the service's words */
export function remoteAgentAnswer(
  url: string,
  apiKey: string | undefined,
  { agent = "assistant", user }: AgentChatOptions,
): Answer {
  const runs = `/v1/agents/${encodeURIComponent(agent)}/runs`
  return async (messages, terminal) => {
    const ask = { messages, stream: true, conversation: terminal.conversation, ...(user === undefined ? {} : { user }) }
    const post = (path: string, body: object): Promise<RunBody> => hearRun(url, apiKey, { path, body }, terminal)
    let run = await post(runs, ask)
    while (run.pending !== undefined && run.pending.length > 0) {
      const calls: Record<string, boolean> = {}
      for (const { call_id: id, tool, arguments: args } of run.pending)
        calls[id] = await terminal.confirm(`${tool}(${args})?`)
      run = await post(`${runs}/${encodeURIComponent(run.id)}/confirm`, { calls, stream: true })
    }
  }
}

async function hearRun(
  url: string,
  apiKey: string | undefined,
  { path, body }: { readonly path: string; readonly body: object },
  terminal: Terminal,
): Promise<RunBody> {
  const stream = await postTo(`${url.replace(/\/$/, "")}${path}`, { apiKey, body, signal: terminal.signal })
  let run: RunBody | undefined
  for await (const data of readEvents(stream)) {
    if (data === "[DONE]") continue
    const event = JSON.parse(data) as Event
    if ("error" in event) throw new UsageError(event.error.message)
    if ("object" in event) run = event
    else show(event, terminal)
  }
  if (run === undefined) throw new UsageError(`${url}: the answer broke off`)
  return run
}
