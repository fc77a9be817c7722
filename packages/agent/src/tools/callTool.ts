import { Clock, Effect } from "effect"
import {
  type AgentTool,
  type Source,
  type SourcedText,
  type ToolContext,
  ToolError,
  type ToolResult,
} from "./AgentTool.ts"
import { errorText } from "./errorText.ts"
import type { CalledTool } from "./ToolBox.ts"

type Called = Omit<CalledTool, "ms">

/** Longer than a timer of this machine can wait, for a tool that may take for ever. */
const MOST_MS = 2 ** 31 - 1

/**
 * Runs a tool under its timeout. One that does not answer is aborted and left: nobody waits for it to notice.
 *
 * @param tool undefined where a run was resumed after it had gone
 */
export const callTool = Effect.fnUntraced(function* (
  tool: AgentTool | undefined,
  args: Readonly<Record<string, unknown>>,
  context: Omit<ToolContext, "signal">,
  usualTimeoutMs: number,
): Effect.fn.Return<CalledTool> {
  if (tool === undefined) return { ...failed("unknown-tool", "there is no tool of this name any more"), ms: 0 }
  const beganMs = yield* Clock.currentTimeMillis
  const timeoutMs = Math.min(tool.timeoutMs ?? usualTimeoutMs, MOST_MS)
  const called = yield* Effect.tryPromise((signal) => tool.run(args, { ...context, signal })).pipe(
    Effect.map(asCalled),
    Effect.catch(({ cause }) =>
      Effect.as(Effect.logDebug(`tool ${tool.name}`, cause), failed("failed", wordsOf(cause))),
    ),
    Effect.timeoutOrElse({
      duration: timeoutMs,
      orElse: () => Effect.succeed(failed("timed-out", `timeout: no answer within ${timeoutMs} ms`)),
    }),
  )
  return { ...called, ms: (yield* Clock.currentTimeMillis) - beganMs }
})

/** What a user's function returns need not be what its type says. */
function asCalled(result: ToolResult): Called {
  const { text, sources = [], passages = [] } = (result ?? {}) as Partial<ToolResult>
  if (typeof text !== "string") return failed("failed", "the tool answered without a text")
  return { outcome: "done", text, sources: sources.filter(isSource), passages: passages.filter(isSourcedText) }
}

function isSource({ title }: Source): boolean {
  return typeof title === "string"
}

function isSourcedText(passage: SourcedText): boolean {
  return isSource(passage) && typeof passage.text === "string"
}

/** What other errors say is not meant for models: it may name addresses and keys. */
function wordsOf(error: unknown): string {
  return error instanceof ToolError ? error.message : "the tool failed"
}

function failed(outcome: Called["outcome"], words: string): Called {
  return { outcome, text: errorText(words), sources: [], passages: [] }
}
