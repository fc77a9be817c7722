/** Why a prepared model cannot be made or read, in one line. */
export class PreparedModelError extends Error {
  readonly _tag = "PreparedModelError"
  override readonly name = "PreparedModelError"
}
