import { onnx } from "onnx-proto"

/** What enters or leaves a model that somebody else made. */
export interface ForeignValue {
  readonly name: string
  readonly isFloat32: boolean
  /** 0 where a dimension is known at run time only. */
  readonly shape: readonly number[]
}

/** Reads what a model takes and gives, its own constants apart. @throws Error on bytes that are no model */
export function graphValues(model: Uint8Array): {
  readonly inputs: readonly ForeignValue[]
  readonly outputs: readonly ForeignValue[]
} {
  const { graph } = onnx.ModelProto.decode(model)
  if (graph === null || graph === undefined) throw new Error("expected an ONNX model, found one without a graph")
  const constants = new Set((graph.initializer ?? []).map(({ name }) => name))
  const valuesOf = (values: readonly onnx.IValueInfoProto[] | null | undefined): ForeignValue[] =>
    (values ?? []).map(({ name, type }) => ({
      name: name ?? "",
      isFloat32: type?.tensorType?.elemType === onnx.TensorProto.DataType.FLOAT,
      shape: (type?.tensorType?.shape?.dim ?? []).map(({ dimValue }) => Number(dimValue ?? 0)),
    }))
  return { inputs: valuesOf(graph.input).filter(({ name }) => !constants.has(name)), outputs: valuesOf(graph.output) }
}
