/** What is wrong with a checkpoint, in one line: which file, which tensor or field, what was expected and what was found. */
export class CheckpointError extends Error {
  readonly _tag = "CheckpointError"
  override readonly name = "CheckpointError"
  readonly file: string
  readonly subject: string | undefined

  constructor(options: { file: string; subject?: string; expected: string; found: string; cure?: string }) {
    const { file, subject, expected, found, cure } = options
    super(
      `${file}${subject === undefined ? "" : `: ${subject}`}: expected ${expected}, found ${found}${cure === undefined ? "" : `; ${cure}`}`,
    )
    this.file = file
    this.subject = subject
  }
}
