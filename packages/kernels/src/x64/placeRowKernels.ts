import { emitAddScaled } from "./addScaledKernel.ts"
import { emitCombine } from "./combineKernel.ts"
import type { CodeSpace } from "./executableMemory.ts"
import { emitGatherRows } from "./gatherRowsKernel.ts"
import { emitAwaitGate, emitPassGate } from "./gateKernels.ts"
import type { Isa } from "./Isa.ts"
import { emitNormRows } from "./normRowsKernel.ts"
import { emitQuantizeRows } from "./quantizeRowsKernel.ts"

/** Addresses of the kernels that go row by row, whatever the model. */
export interface RowKernels {
  readonly norm: number
  readonly addScaled: number
  readonly combine: number
  readonly gather: number
  readonly quantize: number
  readonly rotateAndQuantize: number
  readonly passGate: number
  readonly awaitGate: number
}

/** Emits them and places them in `space`. */
export function placeRowKernels(space: CodeSpace, isa: Isa): RowKernels {
  return {
    norm: space.place(emitNormRows(isa)),
    addScaled: space.place(emitAddScaled(isa)),
    combine: space.place(emitCombine(isa)),
    gather: space.place(emitGatherRows(isa)),
    quantize: space.place(emitQuantizeRows(isa, { isRotated: false })),
    rotateAndQuantize: space.place(emitQuantizeRows(isa, { isRotated: true })),
    passGate: space.place(emitPassGate()),
    awaitGate: space.place(emitAwaitGate()),
  }
}
