/** A process that runs one image classifier: what it takes down is itself, never the service. */
import { createSession, graphValues, tensorOf } from "@consilium/onnx"
import { readFileSync } from "node:fs"
import { answerQuestions } from "../process/answerQuestions.ts"

/** What the classifier is asked to look at. */
export interface Look {
  /** `[size, size, 3]` */
  readonly pixels: Uint8Array
  readonly size: number
  readonly mean: readonly number[]
  readonly deviation: readonly number[]
  readonly numLabels: number
}

const model = new Uint8Array(readFileSync(process.argv[2]!))
const { inputs, outputs } = graphValues(model)
const input = inputs[0]
const output = outputs[0]
if (inputs.length !== 1 || input === undefined || output === undefined || !input.isFloat32 || input.shape.length !== 4)
  throw new Error(`expected a classifier with one input of four dimensions in float32, found ${JSON.stringify(inputs)}`)
/** Colours first, or last, as the model has them. */
const isColoursLast = input.shape[3] === 3 && input.shape[1] !== 3
const session = createSession(model, 1)

answerQuestions((look: Look): readonly number[] => {
  const { size, numLabels } = look
  const shape = isColoursLast ? [1, size, size, 3] : [1, 3, size, size]
  const scores = new Float32Array(numLabels)
  session.run({ [input.name]: tensorOf(valuesOf(look), shape) }, { [output.name]: tensorOf(scores, [1, numLabels]) })
  return [...scores]
})

function valuesOf({ pixels, size, mean, deviation }: Look): Float32Array {
  const values = new Float32Array(pixels.length)
  const numPixels = size * size
  for (let p = 0; p < numPixels; p++) {
    for (let c = 0; c < 3; c++) {
      const at = isColoursLast ? p * 3 + c : c * numPixels + p
      values[at] = (pixels[p * 3 + c]! / 255 - mean[c]!) / deviation[c]!
    }
  }
  return values
}
