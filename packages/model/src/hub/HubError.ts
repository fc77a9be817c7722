/** Why a model cannot be downloaded, in one line, with what to do instead. */
export class HubError extends Error {
  readonly _tag = "HubError"
  override readonly name = "HubError"
}
