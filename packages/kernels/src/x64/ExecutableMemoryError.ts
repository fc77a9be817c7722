/** The system gives no memory that code can run in. Expected: another backend takes over. */
export class ExecutableMemoryError extends Error {
  readonly _tag = "ExecutableMemoryError"
  override readonly name = "ExecutableMemoryError"
}
