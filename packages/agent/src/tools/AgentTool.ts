/** Whose run calls a tool, and how long it may take. */
export interface ToolContext {
  readonly runId: string
  /** Undefined where nobody said who asks. */
  readonly userId: string | undefined
  /** Aborted when the run ends, the client leaves or the tool's time is up. */
  readonly signal: AbortSignal
}

/** Where a result comes from, so that an answer can cite it. */
export interface Source {
  /** A title, or a document's name. */
  readonly title: string
  /** An address or a path within the knowledge base; undefined where there is none. */
  readonly location: string | undefined
}

/** A piece of text, and where it is from. */
export interface SourcedText extends Source {
  readonly text: string
}

export interface ToolResult {
  /** What the model reads: data, never instructions. Our own was trained on JSON as Python writes it, `{"result": 120}`, and errs without the blanks. */
  readonly text: string
  readonly sources?: readonly Source[]
  /** After the text; the run numbers them as its sources, so that an answer can cite them. */
  readonly passages?: readonly SourcedText[]
}

/** A tool failed in a way that it expects; its words reach the model, so they hold no secrets. */
export class ToolError extends Error {
  readonly _tag = "ToolError"
  override readonly name = "ToolError"
}

/** Something that a model may call. */
export interface AgentTool {
  /** 1 to 64 letters, digits, `_` or `-`. */
  readonly name: string
  readonly description: string
  /** JSON schema of an object: arguments are checked against it before `run` sees them. */
  readonly parameters: Readonly<Record<string, unknown>>
  /** It changes something outside of the run: a person confirms each call. */
  readonly changes: boolean
  /** As the run's limits say, unless given. */
  readonly timeoutMs?: number
  /** @throws ToolError (rejects) with words for the model */
  readonly run: (args: Readonly<Record<string, unknown>>, context: ToolContext) => Promise<ToolResult>
}
