/** How fast experts run on either side, in milliseconds a row of `expertWork`: averages that forget. */
export interface TierSpeeds {
  /** Undefined before it was measured. */
  readonly deviceMsPerRow: number | undefined
  readonly homeMsPerRow: number | undefined
  /** Takes in what home took for so much work. */
  observeHome(ms: number, work: number): void
  /** The same of the device; where nobody waited for it, it took so long at most. */
  observeDevice(ms: number, work: number, isExact: boolean): void
}

/** What the newest counts. */
const WEIGHT = 0.05

export function createTierSpeeds(): TierSpeeds {
  let device: number | undefined
  let home: number | undefined
  const mix = (before: number | undefined, now: number): number =>
    before === undefined ? now : before + WEIGHT * (now - before)
  return {
    get deviceMsPerRow() {
      return device
    },
    get homeMsPerRow() {
      return home
    },
    observeHome(ms, work) {
      home = mix(home, ms / work)
    },
    observeDevice(ms, work, isExact) {
      if (isExact || device === undefined || ms / work < device) device = mix(device, ms / work)
    },
  }
}
