/** A backend has lost what it kept of the rows and caches of this process: what was computed must be computed anew. */
export class StateLostError extends Error {
  override readonly name = "StateLostError"
}
