import { inspectModel } from "@consilium/model"
import { miniModelDir } from "@consilium/testing"
import { expect, test } from "bun:test"
import { activeParameters, residentBytes, totalParameters } from "./ModelShape.ts"
import { shapeOfModel } from "./shapeOfModel.ts"

test("shapeOfModel: the embedded model has the parameters and bytes that inspecting it says", () => {
  const inspection = inspectModel(miniModelDir())
  const { numParameters, numActiveParameters, packings } = inspection
  for (const packing of packings) {
    const shape = shapeOfModel(inspection, packing)
    expect([shape.numMoeLayers, shape.numExperts, shape.topK]).toEqual([6, 8, 2])
    expect([totalParameters(shape), activeParameters(shape)]).toEqual([numParameters, numActiveParameters])
    expect(residentBytes(shape)).toBeCloseTo(packing.bytes, 3)
  }
})
