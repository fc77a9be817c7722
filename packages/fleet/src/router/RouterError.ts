/** A router file, an example file or a rule that cannot be: says where, what was expected and what was found. */
export class RouterError extends Error {
  readonly _tag = "RouterError"
  override readonly name = "RouterError"
}
