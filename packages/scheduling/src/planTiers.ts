/**
 * Which experts lie in the memory of a device too, and compute there, while the others compute at home at the same time: hot ones first, as the device has room.
 *
 * The memory domains of `placeExperts` are alike; these two differ in room and speed. It starts from where experts lie, so that a plan is a few moves.
 */

/** One of the two domains. */
export interface Tier {
  /** Experts of all layers that it has room for; `Infinity` where it holds all anyway. */
  readonly places: number
  /** Time that one token of load takes there. */
  readonly msPerToken: number
}

/** A layer, and which of its experts are on the device. */
export interface TierLayer {
  /** `[E]` tokens a step. */
  readonly load: ArrayLike<number>
  /** `[E]` 1 = on the device. */
  readonly isOnDevice: ArrayLike<number>
  /** `[E]` 0 = stays where it is; all may move unless given. */
  readonly mayMove?: ArrayLike<number>
}

/** What a move costs and what it must bring. */
export interface TierCost {
  /** Of one promotion; a demotion costs nothing. */
  readonly msPerPromotion: number
  /** Steps for which the load is believed to stay as it is. */
  readonly numSteps: number
  /** Most moves of one plan; at least 2, an exchange. */
  readonly maxMoves: number
}

export interface TierMove {
  /** Index into `layers`. */
  readonly layer: number
  readonly expertId: number
  readonly to: "device" | "home"
}

/** A layer as the plan has it so far. */
interface LayerTime {
  readonly load: ArrayLike<number>
  readonly isOnDevice: Uint8Array
  readonly mayMove: ArrayLike<number> | undefined
  /** Tokens a step. */
  deviceLoad: number
  homeLoad: number
  numOnDevice: number
  /** The best of each kind: whom it moves, and the milliseconds of a step that it saves. */
  promotion: Choice | undefined
  demotion: Choice | undefined
  exchange: (Choice & { readonly other: number }) | undefined
  /** Whether the device has so much to do that a demotion by itself pays. */
  isOverloaded: boolean
}

/** Loads and speeds waver by themselves: an exchange must save this share of what the hotter expert takes at home, */
const LEAST_GAIN = 0.1
/** and a device gives up an expert for nothing only where it takes so many times as long as home, */
const LEAST_OVERLOAD = 1.2
/** and the layer becomes faster by this share. */
const LEAST_SHARE = 0.005

interface Choice {
  readonly expertId: number
  readonly savedMs: number
  /** What an exchange must save at least. */
  readonly leastMs: number
}

/** Moves that take effect together, and what they save. */
interface TierStep {
  readonly moves: readonly TierMove[]
  readonly savedMs: number
}

/**
 * Plans the next few moves between a device's memory and home; a layer takes as long as the slower of its two sides. Demotions come before what takes their room.
 *
 * Where the device has room for all experts, all go there: a layer that is not split needs no waiting for the other side. Else each step is the one that saves
 * most, of a promotion where there is room, a demotion, or an exchange, as long as it saves more in `numSteps` than it costs. Ties go to the layer with fewer on the device.
 */
export function planTiers(
  layers: readonly TierLayer[],
  device: Tier,
  home: Tier,
  { msPerPromotion, numSteps, maxMoves }: TierCost,
): readonly TierMove[] {
  if (maxMoves < 2) throw new Error(`planTiers: maxMoves ${maxMoves} allows no exchange: give at least 2`)
  if (layers.reduce((sum, layer) => sum + countMovable(layer), 0) <= device.places) return promoteAll(layers, maxMoves)
  const timeOf = (deviceLoad: number, homeLoad: number): number =>
    Math.max(deviceLoad * device.msPerToken, homeLoad * home.msPerToken)
  const times = layers.map(startTime)
  for (const time of times) choose(time, timeOf, home, device)
  const moves: TierMove[] = []
  for (;;) {
    const numOnDevice = times.reduce((sum, time) => sum + time.numOnDevice, 0)
    const step = bestStep(times, device.places - numOnDevice)
    if (step === undefined || moves.length + step.moves.length > maxMoves) break
    const costMs = step.moves.some(({ to }) => to === "device") ? msPerPromotion : 0
    if (step.savedMs * numSteps <= costMs) break
    for (const move of step.moves) {
      moves.push(move)
      apply(times[move.layer]!, move)
    }
    for (const l of new Set(step.moves.map(({ layer }) => layer))) choose(times[l]!, timeOf, home, device)
  }
  return moves
}

/** Returns how many experts are on the device or may go there. */
function countMovable({ load, isOnDevice, mayMove }: TierLayer): number {
  let count = 0
  for (let e = 0; e < load.length; e++) if (isOnDevice[e] === 1 || mayMove?.[e] !== 0) count++
  return count
}

/** The busiest first. */
function promoteAll(layers: readonly TierLayer[], maxMoves: number): readonly TierMove[] {
  const missing = layers.flatMap(({ load, isOnDevice, mayMove }, layer) =>
    Array.from(load, (tokens, expertId) => ({ layer, expertId, tokens })).filter(
      ({ expertId }) => isOnDevice[expertId] !== 1 && mayMove?.[expertId] !== 0,
    ),
  )
  const busiest = missing.sort((a, b) => b.tokens - a.tokens).slice(0, maxMoves)
  return busiest.map(({ layer, expertId }) => ({ layer, expertId, to: "device" }))
}

function startTime({ load, isOnDevice, mayMove }: TierLayer): LayerTime {
  const none = { promotion: undefined, demotion: undefined, exchange: undefined, isOverloaded: false }
  const time: LayerTime = {
    load,
    isOnDevice: Uint8Array.from(isOnDevice),
    mayMove,
    deviceLoad: 0,
    homeLoad: 0,
    numOnDevice: 0,
    ...none,
  }
  for (let e = 0; e < load.length; e++) {
    if (time.isOnDevice[e] === 1) {
      time.deviceLoad += load[e]!
      time.numOnDevice++
    } else time.homeLoad += load[e]!
  }
  return time
}

function apply(time: LayerTime, { expertId, to }: TierMove): void {
  const tokens = time.load[expertId]! * (to === "device" ? 1 : -1)
  time.isOnDevice[expertId] = to === "device" ? 1 : 0
  time.deviceLoad += tokens
  time.homeLoad -= tokens
  time.numOnDevice += to === "device" ? 1 : -1
}

/** Finds the best move of each kind within a layer; of exchanges, that of the hottest at home with the coldest on the device. */
function choose(
  time: LayerTime,
  timeOf: (deviceLoad: number, homeLoad: number) => number,
  home: Tier,
  device: Tier,
): void {
  const { load, isOnDevice, mayMove, deviceLoad, homeLoad } = time
  const before = timeOf(deviceLoad, homeLoad)
  const saved = (moved: number): number => before - timeOf(deviceLoad + moved, homeLoad - moved)
  const leastMs = (expertId: number): number => LEAST_GAIN * load[expertId]! * home.msPerToken
  time.promotion = time.demotion = time.exchange = undefined
  let [hottest, coldest] = [-1, -1]
  for (let e = 0; e < load.length; e++) {
    if (mayMove?.[e] === 0) continue
    const isThere = isOnDevice[e] === 1
    const kind = isThere ? "demotion" : "promotion"
    const savedMs = saved(isThere ? -load[e]! : load[e]!)
    if (time[kind] === undefined || savedMs > time[kind].savedMs)
      time[kind] = { expertId: e, savedMs, leastMs: leastMs(e) }
    if (isThere && (coldest < 0 || load[e]! < load[coldest]!)) coldest = e
    if (!isThere && (hottest < 0 || load[e]! > load[hottest]!)) hottest = e
  }
  if (hottest >= 0 && coldest >= 0) {
    const savedMs = saved(load[hottest]! - load[coldest]!)
    const exchange = { expertId: hottest, other: coldest, savedMs, leastMs: leastMs(hottest) }
    if (savedMs >= exchange.leastMs) time.exchange = exchange
  }
  const isSlower = deviceLoad * device.msPerToken > LEAST_OVERLOAD * homeLoad * home.msPerToken
  time.isOverloaded = isSlower && savedBy(time.demotion) >= LEAST_SHARE * before
}

function savedBy(choice: Choice | undefined): number {
  return choice?.savedMs ?? 0
}

/** Returns the step that saves most; undefined where none saves anything. */
function bestStep(times: readonly LayerTime[], numFree: number): TierStep | undefined {
  let best: TierStep | undefined
  const consider = (savedMs: number, moves: () => readonly TierMove[]): void => {
    if (savedMs > (best?.savedMs ?? 0) * (1 + 1e-12)) best = { savedMs, moves: moves() }
  }
  const up = (layer: number, expertId: number): TierMove => ({ layer, expertId, to: "device" })
  const down = (layer: number, expertId: number): TierMove => ({ layer, expertId, to: "home" })
  const byRoom = [...times.keys()].sort((a, b) => times[a]!.numOnDevice - times[b]!.numOnDevice)
  for (const l of byRoom) {
    const { promotion, demotion, exchange, isOverloaded } = times[l]!
    if (demotion !== undefined && isOverloaded) consider(demotion.savedMs, () => [down(l, demotion.expertId)])
    if (promotion !== undefined && numFree > 0) consider(promotion.savedMs, () => [up(l, promotion.expertId)])
    if (exchange !== undefined) consider(exchange.savedMs, () => [down(l, exchange.other), up(l, exchange.expertId)])
  }
  if (numFree > 0) return best
  // Of two layers: each one's time is its own.
  const demotions = byRoom.filter((l) => times[l]!.demotion !== undefined)
  const cheapest = demotions.sort((a, b) => times[b]!.demotion!.savedMs - times[a]!.demotion!.savedMs).slice(0, 2)
  for (const l of byRoom) {
    const { promotion } = times[l]!
    const other = cheapest.find((one) => one !== l)
    if (promotion === undefined || other === undefined) continue
    const demotion = times[other]!.demotion!
    const savedMs = promotion.savedMs + demotion.savedMs
    if (savedMs < promotion.leastMs) continue
    consider(savedMs, () => [down(other, demotion.expertId), up(l, promotion.expertId)])
  }
  return best
}
