import { inspectModel } from "@consilium/model"
import { miniModelDir } from "@consilium/testing"
import { expect, test } from "bun:test"
import { join } from "node:path"
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

test("shapeOfModel: an embedding that is not the head takes memory, and no token reads it", () => {
  const inspection = inspectModel(join(import.meta.dir, "../../../../fixtures/checkpoints/olmoe"))
  const { config, numParameters, numActiveParameters, packings } = inspection
  const shape = shapeOfModel(inspection, packings[0]!)
  expect(config.isTied).toBe(false)
  expect(totalParameters(shape)).toBe(numParameters)
  expect(activeParameters(shape)).toBe(numActiveParameters - config.vocabSize * config.hiddenSize)
  expect(residentBytes(shape)).toBeCloseTo(packings[0]!.bytes, 3)
})
