/** A row that is not finite after the last layer: something in the step failed, and does not say what. */
export class NonFiniteError extends Error {
  override readonly name = "NonFiniteError"

  constructor(row: number) {
    super(`row ${row}: hidden states are not finite`)
  }
}
