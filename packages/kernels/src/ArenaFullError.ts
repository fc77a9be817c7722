/** The arena's `limitBytes` leaves no room for a span. Expected: free something, or report it. */
export class ArenaFullError extends Error {
  readonly _tag = "ArenaFullError"
  override readonly name = "ArenaFullError"
  readonly wantedBytes: number
  readonly usedBytes: number
  readonly limitBytes: number

  constructor(wantedBytes: number, usedBytes: number, limitBytes: number) {
    super(
      `arena: ${wantedBytes} bytes wanted, ${limitBytes - usedBytes} free ` +
        `(${usedBytes} of ${limitBytes} are used): free a slab, or raise the memory setting`,
    )
    this.wantedBytes = wantedBytes
    this.usedBytes = usedBytes
    this.limitBytes = limitBytes
  }
}
