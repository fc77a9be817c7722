import { activationName } from "../Activation.ts"
import type { Format } from "../SlabLayout.ts"
import type { Epilogue } from "./productEpilogue.ts"
import { emitProduct } from "./productKernel.ts"
import type { X64Context } from "./X64Context.ts"

const PLAIN: Epilogue = { hasGateProj: false, activation: "none" }

/** Returns the address of the product kernel of a format and epilogue; emits it where it is not there yet. Not for the step loop: slabs keep it. */
export function productCode(context: X64Context, format: Format, epilogue: Epilogue = PLAIN): number {
  const { hasGateProj, activation } = epilogue
  const name = activation === "none" ? activation : activationName(activation)
  return context.kernels.address(`product ${format} ${name} ${hasGateProj}`, () =>
    emitProduct({ isa: context.isa, format, epilogue }, context.createAssembler()),
  )
}
