import { describe, expect, test } from "bun:test"
import { expectClose, fixturePath, readFixtureTensors } from "@consilium/testing"
import { linearLogits, type MlpRouter, mlpLogits } from "./index.ts"

const golden = readFixtureTensors(fixturePath("layers", "seed-moe-small.safetensors"))
const tensor = (name: string): Float32Array => golden.get(name)!.values as Float32Array
const [numTokens, numExperts] = [16, 8]
const taskIds = golden.get("taskIds")!.values as Int32Array
const mlp: MlpRouter = {
  kind: "mlp",
  hiddenWeight: tensor("taskGate.hidden.weight"),
  hiddenBias: tensor("taskGate.hidden.bias"),
  taskEmbedding: tensor("taskGate.embedding"),
  outputWeight: tensor("taskGate.output.weight"),
  outputBias: tensor("taskGate.output.bias"),
}

describe("linearLogits", () => {
  test("gives the golden logits, bias included", () => {
    const out = new Float32Array(numTokens * numExperts)
    const router = { kind: "linear", weight: tensor("gate.weight"), bias: tensor("gate.bias") } as const
    linearLogits(out, tensor("input"), numTokens, router, numExperts)
    expectClose(out, tensor("linear.logits"), 1e-5)
  })
})

describe("mlpLogits", () => {
  const run = (router: MlpRouter, ids?: Int32Array): Float32Array => {
    const out = new Float32Array(numTokens * numExperts)
    mlpLogits(out, tensor("input"), numTokens, router, numExperts, ids)
    return out
  }

  test("gives the golden logits of tasks", () => {
    expectClose(run(mlp, taskIds), tensor("task.logits"), 1e-5)
  })

  test("without an embedding it is a router whose embedding is zero, and asks for no task", () => {
    const { taskEmbedding: table, ...plain } = mlp
    expect(run(plain)).toEqual(run({ ...mlp, taskEmbedding: new Float32Array(table!.length) }, taskIds))
  })

  test("a task type that has no embedding is refused, and so is none", () => {
    const unknown = taskIds.slice()
    unknown[3] = 4
    expect(() => run(mlp, unknown)).toThrow("token 3: expected a task id from 0 to 3, found 4")
    expect(() => run(mlp)).toThrow("token 0: expected a task id from 0 to 3, found none")
  })
})
