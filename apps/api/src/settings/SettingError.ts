/** A setting that cannot be: where it came from, expected, found, cure. */
export class SettingError extends Error {
  readonly _tag = "SettingError"
  override readonly name = "SettingError"
}
