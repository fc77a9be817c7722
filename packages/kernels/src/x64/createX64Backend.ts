/**
 * The backend in machine code that is written at start: products, experts, attention and rows at the machine's limit.
 *
 * A slab in the arena is an expert as it is: opening one is an address. A row's bits depend neither on its neighbours nor on the number of hosts.
 */
import type { Arena, Rows } from "../Arena.ts"
import { type Backend, type Op, PLAIN_OPS, type Slab } from "../Backend.ts"
import { embedRows } from "../openMatrix.ts"
import { checkNumRows, checkWidths, matrixOf } from "../slabChecks.ts"
import { Assembler } from "./Assembler.ts"
import { createAttend } from "./createAttend.ts"
import { createCodeSpace } from "./executableMemory.ts"
import { createHostPool } from "./HostPool.ts"
import type { Isa } from "./Isa.ts"
import { createKernelCache } from "./KernelCache.ts"
import { placeRowKernels } from "./placeRowKernels.ts"
import { createExpertMemory, runExperts } from "./runExperts.ts"
import { createProductMemory, runProduct } from "./runProduct.ts"
import { runAddScaled, runCombine, runNorm } from "./runRows.ts"
import { createPlacedRows, type PlacedRows, placeRows, type X64Context } from "./X64Context.ts"
import { createSlabOpener, type ExpertKind, type X64Slab } from "./X64Slab.ts"

export interface X64Options {
  readonly isa: Isa
  /** Hosts that share the work, this thread included. */
  readonly numThreads: number
  /** What products are written with, where it is not the plain assembler. */
  readonly createAssembler?: () => Assembler
}

/** Creates the backend and starts its hosts. @throws ExecutableMemoryError where the system forbids code made at run time */
export function createX64Backend(arena: Arena, options: X64Options): Backend {
  const { isa, numThreads, createAssembler = () => new Assembler(isa.vectorBytes) } = options
  const space = createCodeSpace()
  const kernels = createKernelCache(space)
  const codes = placeRowKernels(space, isa)
  const hosts = createHostPool(arena, space, numThreads)
  const context: X64Context = { arena, isa, kernels, codes, hosts, createAssembler }
  const openSlab = createSlabOpener(context)
  const products = createProductMemory(context)
  const memory = createExpertMemory(context, products)

  const opened = (slab: Slab): X64Slab => {
    if ((slab as X64Slab).openIn !== context) throw new Error("x64: this slab is not open")
    return slab as X64Slab
  }
  const openedExpert = (slab: Slab): ExpertKind => {
    const { kind } = opened(slab)
    if (kind === undefined) throw new Error("expected an expert slab, found a matrix")
    return kind
  }

  // What calls are described with, written anew by each: the step loop allocates nothing.
  const to = createPlacedRows()
  const from = createPlacedRows()
  const perExpert = createPlacedRows()
  const place = (placed: PlacedRows, op: Op, rows: Rows, numRows: number, width = rows.width): void => {
    checkNumRows(op, rows, numRows, width)
    placeRows(placed, context, rows)
  }

  /** The plan of one expert that runs all rows. */
  const inOrder = { numTokens: 0, topK: 1, order: new Int32Array(), offsets: new Int32Array(2) }
  const onlyExpert: X64Slab[] = []

  return {
    name: "x64",
    arena,
    cacheFormats: [isa.cacheFormat, "f32"],
    supports: (op) => PLAIN_OPS.has(op) || op === "experts" || op === "combine",
    openSlab(span, layout) {
      if (span.bytes < layout.bytes)
        throw new Error(`x64: a slab of ${layout.bytes} bytes does not fit a span of ${span.bytes}`)
      return openSlab(layout, arena.address(span), arena.bytes(span))
    },
    numBytes: ({ layout }) => layout.bytes,
    closeSlab(slab) {
      const own = slab as X64Slab
      if (own.openIn === context) own.openIn = undefined
    },
    embed(out, ids, numIds, slab) {
      const { numColumns } = matrixOf(slab)
      checkNumRows("embed", out, numIds, numColumns)
      const { open: matrix, readRow } = opened(slab)
      embedRows(out.values, ids, numIds, matrix!, readRow)
    },
    matmul(out, x, numRows, slab) {
      const { numRows: outWidth, numColumns } = matrixOf(slab)
      checkWidths("matmul", out, outWidth, x, numColumns)
      place(to, "matmul", out, numRows)
      place(from, "matmul", x, numRows)
      runProduct(context, products, to, from, numRows, opened(slab).matrix!)
    },
    expert(out, x, firstRow, numRows, slab) {
      const { numColumns, outColumns } = openedExpert(slab)
      checkWidths("expert", out, outColumns, x, numColumns)
      checkNumRows("expert", out, firstRow + numRows, out.width)
      checkNumRows("expert", x, firstRow + numRows, x.width)
      placeRows(to, context, out, firstRow)
      placeRows(from, context, x, firstRow)
      if (inOrder.order.length < numRows) inOrder.order = Int32Array.from({ length: numRows }, (_, row) => row)
      inOrder.numTokens = inOrder.offsets[1] = numRows
      onlyExpert[0] = slab as X64Slab
      runExperts(context, memory, to, from, inOrder, onlyExpert)
    },
    experts(outputs, x, plan, slabs) {
      const { offsets } = plan
      for (let e = 0; e < slabs.length; e++) {
        // An expert without rows may be closed: it sleeps.
        if (slabs[e] === undefined || offsets[e] === offsets[e + 1]) continue
        const { numColumns, outColumns } = openedExpert(slabs[e]!)
        checkWidths("experts", outputs, outColumns, x, numColumns)
      }
      place(perExpert, "experts", outputs, offsets[slabs.length]!)
      place(from, "experts", x, plan.numTokens)
      runExperts(context, memory, perExpert, from, plan, slabs as readonly (X64Slab | undefined)[])
    },
    combine(out, outputs, plan) {
      const { numTokens, topK, rows, weights } = plan
      checkWidths("combine", out, outputs.width, outputs, outputs.width)
      if (Math.min(rows.length, weights.length) < numTokens * topK)
        throw new Error(
          `combine: expected ${numTokens * topK} assignments, found ${rows.length}, ${weights.length} weights`,
        )
      place(to, "combine", out, numTokens)
      place(perExpert, "combine", outputs, plan.offsets[plan.offsets.length - 1]!)
      runCombine(context, to, perExpert, plan)
    },
    attend: createAttend(context),
    norm(out, x, numRows, weight, epsilon) {
      place(to, "norm", out, numRows, weight.length)
      place(from, "norm", x, numRows, weight.length)
      runNorm(context, to, from, numRows, weight, epsilon)
    },
    addScaled(out, x, numRows, factors) {
      place(to, "addScaled", out, numRows)
      place(from, "addScaled", x, numRows, out.width)
      if (factors !== undefined && factors.length < numRows)
        throw new Error(`addScaled: expected ${numRows} factors, found ${factors.length}`)
      runAddScaled(context, to, from, numRows, factors)
    },
    kernelMs: () => hosts.elapsedMs,
    endHost: () => hosts.endHost(),
    close() {
      hosts.close()
      for (const { free } of [products.activations, memory.tokens, memory.inner, memory.gates]) free()
      space.close()
    },
  }
}
