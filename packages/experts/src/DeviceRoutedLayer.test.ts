import { createRouting, type RouterConfig } from "@consilium/gating"
import { createArena, createReferenceBackend, type Backend, type Rows, type Slab } from "@consilium/kernels"
import { expect, test } from "bun:test"
import { createDeviceRoutedLayer, readRouting, runOnDevice } from "./DeviceRoutedLayer.ts"
import { type DispatchPlan, numRowsOf } from "./DispatchPlan.ts"
import { createMoeScratch, type MoeLayer, type MoeOptions } from "./MoeWeights.ts"

const NUM_EXPERTS = 4
const NUM_TOKENS = 3
const TOP_K = 2
const SLAB = {} as unknown as Slab
const PLAIN: RouterConfig = { kind: "top-k", topK: TOP_K, score: "softmax", normalizesWeights: true }

/** A layer on a backend that counts how often it routes one, and a source that is told what ran. */
function openLayer(router: RouterConfig = PLAIN, own: Partial<Backend> = {}) {
  const arena = createArena()
  const told: { plan: DispatchPlan; norms: Float32Array }[] = []
  let numRouted = 0
  const backend: Backend = {
    ...createReferenceBackend(arena),
    supports: () => true,
    endStep: () => {},
    routedExperts: () => void numRouted++,
    ...own,
  }
  const source = {
    numExperts: NUM_EXPERTS,
    format: "f32" as const,
    begin: () => {},
    next: () => undefined,
    all: (): readonly Slab[] | undefined => [SLAB, SLAB, SLAB, SLAB],
    noteRun: (plan: DispatchPlan, norms: Float32Array) => void told.push({ plan, norms }),
  }
  const layer: MoeLayer = {
    config: { hiddenSize: 8, numExperts: NUM_EXPERTS, topK: TOP_K, router },
    backend,
    router: { kind: "slab", slab: SLAB },
    experts: source,
    sharedExpert: undefined,
  }
  return { layer, source, told, numRouted: () => numRouted, scratch: createMoeScratch(layer, NUM_TOKENS), arena }
}

test("createDeviceRoutedLayer: for routers that choose by logits alone, on a backend that has steps and routes by itself", () => {
  const of = (router?: RouterConfig, own?: Partial<Backend>) => {
    const { layer } = openLayer(router, own)
    return createDeviceRoutedLayer(layer, NUM_TOKENS) !== undefined
  }
  expect(of()).toBe(true)
  expect(of({ ...PLAIN, groups: { numGroups: 2, numKept: 1, score: "best" } })).toBe(false)
  expect(of({ kind: "sparsemixer", topK: 2, jitterEpsilon: 0.01 })).toBe(false)
  expect(of(PLAIN, { supports: (op) => op !== "routedExperts" })).toBe(false)
  const { layer } = openLayer()
  const { endStep: _, ...withoutSteps } = layer.backend
  expect(createDeviceRoutedLayer({ ...layer, backend: withoutSteps }, NUM_TOKENS)).toBeUndefined()
  expect(
    createDeviceRoutedLayer({ ...layer, router: { kind: "linear", weight: new Float32Array(32) } }, NUM_TOKENS),
  ).toBeUndefined()
})

test("runOnDevice: not where somebody steers the router, an expert is not there, or the device does not hold the layer", () => {
  const { layer, source, numRouted, scratch, arena } = openLayer()
  const onDevice = createDeviceRoutedLayer(layer, NUM_TOKENS)!
  const [out, hidden] = [arena.rows(NUM_TOKENS, 8), arena.rows(NUM_TOKENS, 8)]
  const run = (options: MoeOptions = {}, of: MoeLayer = layer): boolean =>
    runOnDevice(onDevice, out, hidden, NUM_TOKENS, of, scratch, options)
  expect([run(), numRouted()]).toEqual([true, 1])
  const steered: readonly MoeOptions[] = [
    { availability: Uint8Array.of(1, 1, 0, 1) },
    { selectionBias: new Float32Array(NUM_EXPERTS) },
    { routerNoise: new Float32Array(NUM_TOKENS * NUM_EXPERTS) },
    { capacity: 2 },
    { routing: createRouting(NUM_TOKENS, TOP_K) },
    { taskIds: new Int32Array(NUM_TOKENS) },
  ]
  for (const options of steered) expect(run(options), Object.keys(options)[0]).toBe(false)
  expect(run({}, { ...layer, backend: { ...layer.backend, holdsLayer: () => false } })).toBe(false)
  source.all = () => undefined
  expect(run()).toBe(false)
  expect(numRouted()).toBe(1)
})

test("readRouting: ids and weights as they were read, and the norms of outputs where the plan has their rows", () => {
  const { layer, told, scratch } = openLayer()
  const onDevice = createDeviceRoutedLayer(layer, NUM_TOKENS)!
  const ids = [3, 0, 0, 2, 2, 3]
  fillRouted(onDevice.routed, ids)
  const routing = createRouting(NUM_TOKENS, TOP_K)
  readRouting(routing, onDevice, NUM_TOKENS, layer, scratch)
  expect([...routing.expertIds]).toEqual(ids)
  expect([...routing.weights]).toEqual(ids.map((_, a) => 10 + a))
  const [{ plan, norms }] = told as [(typeof told)[number]]
  expect(Array.from({ length: NUM_EXPERTS }, (_, e) => numRowsOf(plan, e))).toEqual([2, 0, 2, 2])
  // An expert's rows are in order of their assignments.
  expect([...norms]).toEqual([101, 102, 103, 104, 100, 105])
})

/** Of assignment `a`: its expert, weight `10 + a`, norm `100 + a`. */
function fillRouted({ values, width }: Rows, ids: readonly number[]): void {
  for (const [a, id] of ids.entries()) {
    const first = Math.floor(a / TOP_K) * width + (a % TOP_K)
    for (const [part, value] of [id, 10 + a, 100 + a].entries()) values[first + part * TOP_K] = value
  }
}
