/** One command of the command line. */
export interface Command {
  readonly name: string
  /** One line, for the list of commands. */
  readonly summary: string
  /** What it takes: `<dir> [--out FILE]`. */
  readonly usage: string
  /** Its own options, one line each; settings are described apart. */
  readonly options?: string
  readonly example: string
  /** Runs it with the words after its name; returns the exit code. @throws errors whose message is one clear line */
  run(args: readonly string[]): Promise<number>
}

/** Words on the command line that make no sense. */
export class UsageError extends Error {
  readonly _tag = "UsageError"
  override readonly name = "UsageError"
}

/** The text of `consilium <command> --help`. */
export function helpOf({ name, summary, usage, options, example }: Command): string {
  return [
    `consilium ${name}: ${summary}`,
    "",
    `Usage: consilium ${name} ${usage}`,
    ...(options === undefined ? [] : ["", options]),
    "",
    `Example: ${example}`,
    "",
  ].join("\n")
}
