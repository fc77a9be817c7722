/** Whole layers against the golden ones, on every backend, through the constructor that library users call. */
import { describe, expect, test } from "bun:test"
import type { ExpertTensors } from "@consilium/kernels"
import { noise } from "@consilium/tensor"
import {
  expectClose,
  fixturePath,
  type FixtureTensor,
  maxError,
  readFixtureJson,
  readFixtureTensors,
} from "@consilium/testing"
import { BACKENDS, withBackend } from "../test/openMoeCase.ts"
import { createMoeLayer, type CreateMoeLayerOptions } from "./index.ts"

interface Description {
  readonly weights: {
    readonly tensors: Readonly<
      Record<string, { readonly shape: number[]; readonly seed: number; readonly sigma: number }>
    >
  }
  readonly quantisedErrors?: Readonly<Record<string, { readonly max: number; readonly mean: number }>>
}

/** A golden layer's weights, by its hash or as they are stored. */
function openLayer(name: string) {
  const description = readFixtureJson<Description>(fixturePath("layers", `${name}.json`))
  const golden = readFixtureTensors(fixturePath("layers", `${name}.safetensors`))
  const weights = (tensor: string): Float32Array => {
    const { shape, seed, sigma } = description.weights.tensors[tensor]!
    return noise(
      shape.reduce((product, size) => product * size, 1),
      seed,
      sigma,
    )
  }
  return { description, golden, weights, shapeOf: (tensor: string) => description.weights.tensors[tensor]!.shape }
}

const f32 = (tensor: FixtureTensor | undefined): Float32Array => tensor!.values as Float32Array

function seedLayer(name: "seed-moe" | "seed-moe-small", which: "linear" | "task") {
  const { golden, weights, shapeOf } = openLayer(name)
  const [numExperts = 0, expertIntermediateSize = 0, hiddenSize = 0] = shapeOf("experts.up.weight")
  const [up, upBias, down, downBias] = ["up.weight", "up.bias", "down.weight", "down.bias"].map((part) =>
    weights(`experts.${part}`),
  )
  const part = (values: Float32Array | undefined, e: number): Float32Array =>
    values!.slice((e * values!.length) / numExperts, ((e + 1) * values!.length) / numExperts)
  const experts = Array.from({ length: numExperts }, (_, e): ExpertTensors => ({
    upProj: part(up, e),
    upBias: part(upBias, e),
    downProj: part(down, e),
    downBias: part(downBias, e),
  }))
  const router: CreateMoeLayerOptions["router"] =
    which === "linear"
      ? { kind: "linear", weight: weights("gate.weight"), bias: weights("gate.bias") }
      : {
          kind: "mlp",
          hiddenWeight: weights("taskGate.hidden.weight"),
          hiddenBias: weights("taskGate.hidden.bias"),
          taskEmbedding: weights("taskGate.embedding"),
          outputWeight: weights("taskGate.output.weight"),
          outputBias: weights("taskGate.output.bias"),
        }
  const options = { hiddenSize, expertIntermediateSize, topK: 2, activation: "relu", router, experts } as const
  return { golden, options, taskIds: golden.get("taskIds")!.values as Int32Array }
}

for (const backendName of BACKENDS) {
  describe(backendName, () => {
    for (const name of ["seed-moe", "seed-moe-small"] as const) {
      for (const which of ["linear", "task"] as const) {
        test(`${name}, ${which} router: logits, routing and output are the golden ones`, () =>
          withBackend(backendName, (backend) => {
            const { golden, options, taskIds } = seedLayer(name, which)
            const layer = createMoeLayer({ backend, ...options })
            const { output, logits, routing } = layer.run(f32(golden.get("input")), which === "task" ? { taskIds } : {})
            expectClose(logits, f32(golden.get(`${which}.logits`)), 1e-4, { name: "logits" })
            expect([...routing.expertIds]).toEqual([...golden.get(`${which}.expert_ids`)!.values])
            expectClose(routing.weights, f32(golden.get(`${which}.expert_weights`)), 1e-5, { name: "weights" })
            expectClose(output, f32(golden.get(`${which}.output`)), 1e-4, { name: "output" })
            layer.close()
            backend.close()
            expect(backend.arena.usedBytes).toBe(0)
          }))
      }
    }

    test("swiglu-moe: f32 is the golden output, int8 and int4 are as near as rounding allows", () =>
      withBackend(backendName, (backend) => {
        const { golden, weights, shapeOf, description } = openLayer("swiglu-moe")
        const [numExperts = 0, expertIntermediateSize = 0, hiddenSize = 0] = shapeOf("experts.gate_proj")
        const all = {
          gateProj: weights("experts.gate_proj"),
          upProj: weights("experts.up_proj"),
          downProj: weights("experts.down_proj"),
        }
        const size = expertIntermediateSize * hiddenSize
        const experts = Array.from({ length: numExperts }, (_, e) => ({
          gateProj: all.gateProj.slice(e * size, (e + 1) * size),
          upProj: all.upProj.slice(e * size, (e + 1) * size),
          downProj: all.downProj.slice(e * size, (e + 1) * size),
        }))
        const router = { kind: "linear", weight: weights("router.weight") } as const
        const errors = description.quantisedErrors!
        // Rounding of activations adds to that of the weights.
        const bounds = { f32: 1e-4, int8: 3 * errors["int8 row"]!.max, int4: 1.2 * errors["int4 block 32"]!.max }
        for (const format of ["f32", "int8", "int4"] as const) {
          const layer = createMoeLayer({
            backend,
            hiddenSize,
            expertIntermediateSize,
            topK: 4,
            activation: "silu",
            router,
            experts,
            format,
          })
          const { output, routing } = layer.run(f32(golden.get("input")))
          expect([...routing.expertIds]).toEqual([...golden.get("expert_ids")!.values])
          expect(maxError(output, f32(golden.get("output"))), format).toBeLessThan(bounds[format])
          layer.close()
        }
      }))
  })
}
