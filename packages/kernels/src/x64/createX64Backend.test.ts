import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from "bun:test"
import { noise } from "@consilium/tensor"
import { openX64Variant, X64_VARIANTS } from "../../test/x64Variants.ts"
import type { Rows } from "../Arena.ts"
import type { Backend, Slab } from "../Backend.ts"
import { BACKEND_CASES, checkCase } from "../backendCases.ts"
import { expertNoise, withExpertSlabs } from "../caseSlabs.ts"
import { createArena } from "../createArena.ts"
import { createReferenceBackend } from "../createReferenceBackend.ts"
import { type ExpertsBatch, expertsCase, planExpertRows } from "../expertsCases.ts"
import { packExpertSlab, packMatrixSlab } from "../packSlab.ts"
import { type ExpertShape, type Format, planExpertSlab, planMatrixSlab, type SlabLayout } from "../SlabLayout.ts"

// Emitting all kernels of all instruction sets takes a while on a busy machine.
setDefaultTimeout(60_000)

const FORMATS: readonly Format[] = ["f32", "int8", "int4"]

const arena = createArena()
const reference = createReferenceBackend(arena)
let open: Backend[] = []
afterEach(() => {
  for (const backend of open) backend.close()
  open = []
})
afterAll(() => arena.close())

const openBackend = (variant: (typeof X64_VARIANTS)[number], numThreads: number): Backend => {
  const backend = openX64Variant(arena, variant, numThreads)
  open.push(backend)
  return backend
}

/** What batches do to a plan: nothing to do, decode, all experts for all, one expert for nearly all, chance, drops. */
const BATCHES: readonly ExpertsBatch[] = [
  { name: "no token", numTokens: 0, topK: 2, numExperts: 4, expertId: () => 0 },
  { name: "1 token", numTokens: 1, topK: 3, numExperts: 5, expertId: (_, rank) => [4, 0, 2][rank]! },
  { name: "all dropped", numTokens: 3, topK: 2, numExperts: 3, expertId: () => -1 },
  { name: "one expert", numTokens: 16, topK: 1, numExperts: 1, expertId: () => 0 },
  { name: "every expert for every token", numTokens: 20, topK: 3, numExperts: 3, expertId: (_, rank) => 2 - rank },
  {
    name: "16 tokens, some dropped, one expert twice",
    numTokens: 16,
    topK: 3,
    numExperts: 7,
    // Expert 3 gets tokens 5, 5 and 7: as far apart as they are many, and yet not side by side.
    expertId: (token, rank) =>
      token === 5 || (token === 7 && rank === 0)
        ? [3, token === 5 ? 3 : -1, -1][rank]!
        : ([0, 1, 2, 4, 5, 6][(token * 5 + rank * 3) % 7] ?? -1),
  },
  {
    name: "300 tokens, one hot expert",
    numTokens: 300,
    topK: 2,
    numExperts: 9,
    // The others have 1 row, 2 rows and so on; the last has none.
    expertId: (token, rank) =>
      rank === 0 ? 4 : token === 0 ? 0 : token < 3 ? 1 : token < 30 ? 2 : token < 250 ? 7 : -1,
  },
]

for (const variant of X64_VARIANTS) {
  describe(`createX64Backend, ${variant.name}`, () => {
    // On one host it has the same bits: test/x64BatchInvariance.test.ts.
    test("passes every case and leaves nothing in the arena", () => {
      const backend = openBackend(variant, 3)
      const { usedBytes } = arena
      for (const item of BACKEND_CASES) expect(checkCase(item, backend, reference)).toBeUndefined()
      // Pairs of bf16 lie as far apart as the vectors are long: there is a case for each length, and one is ours.
      const own = BACKEND_CASES.filter(({ op }) => backend.supports(op, "f32"))
      const left = own.filter(({ run }) => run(backend) === undefined).map(({ name }) => name)
      expect(left).toEqual([`attend: a cache of ${backend.cacheFormats[0] === "bf16/8" ? "bf16/16" : "bf16/8"}`])
      expect(arena.usedBytes).toBeGreaterThan(usedBytes)
      backend.close()
      backend.close()
      expect(arena.usedBytes).toBe(usedBytes)
    })
  })
}

describe("createX64Backend: all experts at once", () => {
  const shapes = FORMATS.flatMap((format): ExpertShape[] => [
    { format, hiddenSize: 70, intermediateSize: 45, activation: "silu", hasGateProj: true, hasBias: false },
    { format, hiddenSize: 64, intermediateSize: 33, activation: "relu", hasGateProj: false, hasBias: true },
  ])
  const backends = X64_VARIANTS.flatMap((variant) =>
    [1, 2, 3].map((numThreads) => ({ variant, numThreads, backend: openX64Variant(arena, variant, numThreads) })),
  )
  afterAll(() => {
    for (const { backend } of backends) backend.close()
  })

  test.each(BATCHES.map((batch) => [batch.name, batch] as const))("%s: each by itself and their sum", (_, batch) => {
    for (const shape of shapes) {
      const item = expertsCase(shape, batch)
      const expected = item.run(reference)!
      const known = { ...item, run: (backend: Backend) => (backend === reference ? expected : item.run(backend)) }
      for (const { variant, numThreads, backend } of backends)
        expect(checkCase(known, backend, reference), `${variant.name}, ${numThreads} hosts`).toBeUndefined()
    }
  })
})

if (X64_VARIANTS.length > 0) {
  const [variant] = X64_VARIANTS
  const EXPERT = { hiddenSize: 16, intermediateSize: 8, activation: "silu", hasGateProj: true, hasBias: false } as const

  /** Opens a slab of noise. */
  const openSlab = (backend: Backend, layout: SlabLayout, pack: (bytes: Uint8Array) => void): Slab => {
    const span = arena.allocate(layout.bytes)
    pack(arena.bytes(span))
    return backend.openSlab(span, layout)
  }
  const openMatrix = (backend: Backend, numRows: number, numColumns: number): Slab => {
    const layout = planMatrixSlab({ format: "int8", numRows, numColumns, hasBias: false })
    return openSlab(backend, layout, (bytes) => packMatrixSlab(bytes, layout, noise(numRows * numColumns, 1, 0.1)))
  }
  const openExpert = (backend: Backend, format: Format): Slab => {
    const layout = planExpertSlab({ ...EXPERT, format })
    return openSlab(backend, layout, (bytes) => packExpertSlab(bytes, layout, expertNoise({ ...EXPERT, format }, 1)))
  }
  const rows = (numRows: number, width: number): Rows => arena.rows(numRows, width)

  describe("createX64Backend: what it refuses", () => {
    test("slabs that are closed, of the other kind, another backend's, or too large for their span", () => {
      const backend = openBackend(variant!, 2)
      const [matrix, expert] = [openMatrix(backend, 4, 16), openExpert(backend, "int8")]
      expect(() => backend.expert(rows(1, 16), rows(1, 16), 0, 1, matrix)).toThrow("expected an expert slab")
      expect(() => backend.matmul(rows(1, 4), rows(1, 16), 1, expert)).toThrow("expected a matrix slab")
      expect(() => backend.embed(rows(1, 16), Int32Array.of(0), 1, expert)).toThrow("expected a matrix slab")
      expect(() => backend.matmul(rows(1, 4), rows(1, 16), 1, openMatrix(reference, 4, 16))).toThrow("not open")
      backend.closeSlab(matrix)
      backend.closeSlab(expert)
      expect(() => backend.matmul(rows(1, 4), rows(1, 16), 1, matrix)).toThrow("x64: this slab is not open")
      expect(() => backend.embed(rows(1, 16), Int32Array.of(0), 1, matrix)).toThrow("not open")
      expect(() => backend.expert(rows(1, 16), rows(1, 16), 0, 1, expert)).toThrow("not open")

      const layout = planMatrixSlab({ format: "int8", numRows: 4, numColumns: 16, hasBias: false })
      const span = arena.allocate(layout.bytes - 64)
      expect(() => backend.openSlab(span, layout)).toThrow(`a slab of ${layout.bytes} bytes does not fit a span of`)
    })

    test("rows that are fewer or of another width than it would touch", () => {
      const backend = openBackend(variant!, 1)
      const [matrix, expert] = [openMatrix(backend, 4, 16), openExpert(backend, "int8")]
      expect(() => backend.matmul(rows(2, 4), rows(2, 15), 2, matrix)).toThrow("x is 15 wide, the slab wants 16")
      expect(() => backend.matmul(rows(1, 4), rows(2, 16), 2, matrix)).toThrow("matmul: expected 2 rows of 4 values")
      expect(() => backend.matmul(rows(2, 4), rows(1, 16), 2, matrix)).toThrow("matmul: expected 2 rows of 16 values")
      expect(() => backend.embed(rows(1, 16), Int32Array.of(0, 1), 2, matrix)).toThrow("embed: expected 2 rows")
      expect(() => backend.expert(rows(4, 16), rows(3, 16), 2, 2, expert)).toThrow("expert: expected 4 rows of 16")
      expect(() => backend.norm(rows(1, 4), rows(2, 4), 2, new Float32Array(4), 0)).toThrow("norm: expected 2 rows")
      expect(() => backend.norm(rows(1, 4), rows(1, 4), 1, new Float32Array(5), 0)).toThrow(
        "norm: expected 1 rows of 5",
      )
      expect(() => backend.addScaled(rows(1, 4), rows(2, 4), 2)).toThrow("addScaled: expected 2 rows")
      expect(() => backend.addScaled(rows(2, 4), rows(2, 4), 2, new Float32Array(1))).toThrow(
        "addScaled: expected 2 factors",
      )
    })

    test("a plan with fewer rows or assignments than it says", () => {
      const backend = openBackend(variant!, 1)
      const slabs = [openExpert(backend, "int8")]
      const plan = planExpertRows({ name: "", numTokens: 3, topK: 1, numExperts: 1, expertId: () => 0 })
      const run = (outputs: Rows, x: Rows) => backend.experts!(outputs, x, plan, slabs)
      expect(() => run(rows(2, 16), rows(3, 16))).toThrow("experts: expected 3 rows of 16 values")
      expect(() => run(rows(3, 16), rows(2, 16))).toThrow("experts: expected 3 rows")
      expect(() => run(rows(3, 15), rows(3, 16))).toThrow("experts: out is 15 wide")
      expect(() => run(rows(3, 16), rows(3, 15))).toThrow("experts: x is 15 wide")
      const combine = (out: Rows, outputs: Rows, changed: Partial<typeof plan> = {}) =>
        backend.combine!(out, outputs, { ...plan, ...changed })
      expect(() => combine(rows(2, 16), rows(3, 16))).toThrow("combine: expected 3 rows of 16 values")
      expect(() => combine(rows(3, 16), rows(2, 16))).toThrow("combine: expected 3 rows")
      expect(() => combine(rows(3, 15), rows(3, 16))).toThrow("combine: out is 15 wide")
      const weights = new Float32Array(2)
      expect(() => combine(rows(3, 16), rows(3, 16), { weights })).toThrow(
        "combine: expected 3 assignments, found 3, 2 weights",
      )
    })

    test("experts that differ; but one without rows may be anything, or closed", () => {
      const backend = openBackend(variant!, 2)
      const slabs = [openExpert(backend, "int8"), openExpert(backend, "int4"), openExpert(backend, "int8")]
      const run = (ids: readonly number[]): void => {
        const batch = {
          name: "",
          numTokens: 1,
          topK: ids.length,
          numExperts: 3,
          expertId: (_: number, k: number) => ids[k]!,
        }
        backend.experts!(rows(ids.length, 16), rows(1, 16), planExpertRows(batch), slabs)
      }
      expect(() => run([0, 1])).toThrow("expected experts alike, found int8 silu gated 16 → 8 → 16 and int4 silu gated")
      run([0, 2])
      run([1])
      backend.closeSlab(slabs[1]!)
      run([2, 0])
      expect(() => run([1])).toThrow("not open")
    })

    test("everything, once it is closed", () => {
      const backend = openBackend(variant!, 2)
      const matrix = openMatrix(backend, 4, 16)
      backend.close()
      expect(() => backend.norm(rows(1, 4), rows(1, 4), 1, new Float32Array(4), 0)).toThrow(
        "x64: this backend is closed",
      )
      expect(() => backend.matmul(rows(1, 4), rows(1, 16), 1, matrix)).toThrow("closed")
    })
  })

  test("createX64Backend: experts in turns give the bits that they give together, and leave others' rows alone", () => {
    const backend = openBackend(variant!, 2)
    const shape = { ...EXPERT, format: "int4" } as const
    withExpertSlabs(backend, shape, 3, (slabs) => {
      for (const numTokens of [1, 3, 200]) {
        const batch = { name: "", numTokens, topK: 2, numExperts: 3 }
        const plan = planExpertRows({ ...batch, expertId: (token, rank) => (token + rank) % 3 })
        const x = rows(numTokens, 16)
        x.values.set(noise(numTokens * 16, 3, 1))
        const [together, inTurns] = [rows(numTokens * 2, 16), rows(numTokens * 2, 16)]
        backend.experts!(together, x, plan, slabs)
        inTurns.values.fill(7)
        backend.experts!(inTurns, x, plan, [undefined, slabs[1], undefined])
        expect(inTurns.values.subarray(0, plan.offsets[1]! * 16).every((value) => value === 7)).toBe(true)
        expect(inTurns.values.subarray(plan.offsets[2]! * 16).every((value) => value === 7)).toBe(true)
        backend.experts!(inTurns, x, plan, [slabs[0], undefined, slabs[2]])
        expect([...inTurns.values]).toEqual([...together.values])
      }
      const nobodys = rows(2, 16)
      nobodys.values.fill(7)
      const plan = planExpertRows({ name: "", numTokens: 1, topK: 2, numExperts: 3, expertId: (_, k) => k })
      backend.experts!(nobodys, rows(1, 16), plan, [undefined, undefined, undefined])
      expect(nobodys.values.every((value) => value === 7)).toBe(true)
    })
  })

  test("createX64Backend: what a host that has ended would have done, the others do, until another comes in its place", async () => {
    const backend = openBackend(variant!, 2)
    const shape = { ...EXPERT, format: "int8" } as const
    const x = rows(300, 16)
    x.values.set(noise(300 * 16, 3, 1))
    const plan = planExpertRows({ name: "", numTokens: 300, topK: 1, numExperts: 2, expertId: (token) => token % 2 })
    const run = (): number[] => {
      const out = rows(300, 16)
      withExpertSlabs(backend, shape, 2, (slabs) => backend.experts!(out, x, plan, slabs))
      return [...out.values]
    }
    const expected = run()
    for (let round = 0; round < 3; round++) {
      // Before there is another, nobody is left to end.
      for (let waited = 0; !backend.endHost!(); waited++) {
        expect(waited).toBeLessThan(10_000)
        await Bun.sleep(1)
      }
      expect(backend.endHost!()).toBe(false)
      expect(run()).toEqual(expected)
    }
    expect(openBackend(variant!, 1).endHost!()).toBe(false)
  })

  test("createX64Backend: a step that grows memory and scratch keeps what smaller ones computed", () => {
    const backend = openBackend(variant!, 3)
    const shape = { ...EXPERT, format: "int4" } as const
    withExpertSlabs(backend, shape, 2, (slabs) => {
      const outputs = [1, 40, 700, 3].map((numTokens) => {
        const batch = { name: "", numTokens, topK: 1, numExperts: 2, expertId: (token: number) => token % 2 }
        const [out, x] = [rows(numTokens, 16), rows(numTokens, 16)]
        x.values.set(noise(numTokens * 16, 3, 1))
        const plan = { ...planExpertRows(batch), weights: new Float32Array(numTokens).fill(1) }
        const perExpert = rows(numTokens, 16)
        backend.experts!(perExpert, x, plan, slabs)
        backend.combine!(out, perExpert, plan)
        return [...out.values.subarray(0, 16)]
      })
      for (const first of outputs) expect(first).toEqual(outputs[0]!)
    })
  })
}
