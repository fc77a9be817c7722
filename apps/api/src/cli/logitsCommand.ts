import { type Arena, type Backend, createArena, createReferenceBackend } from "@consilium/kernels"
import { computeLogits, openPreparedModel, writeSafetensors } from "@consilium/model"
import { cpus } from "node:os"
import { type Command, UsageError } from "./Command.ts"
import { locateModel, prepare } from "./openModel.ts"
import { onlyPositional, parseCommandLine } from "./parseCommandLine.ts"
import { readableBytes } from "./progressBar.ts"

export const logitsCommand: Command = {
  name: "logits",
  summary:
    "writes what the model computes for some token ids: logits, hidden states and routing of every layer, in float32",
  usage:
    "<dir> --ids 1,2,3 [--ids …] --out FILE.safetensors [--format f32|int8|int4] [--backend reference|onnx] [--chunk ROWS]",
  options:
    "  --ids    token ids of one prompt; again for another\n" +
    "  --out    file to write: p{i}.logits, p{i}.layer{l}.hidden, .router_logits, .expert_ids, .expert_weights\n" +
    "  --chunk  rows computed at once; the whole prompt unless given\n" +
    "  The format is f32 unless given: this is how a conversion is checked.",
  example: "consilium logits models/consilium-mini --ids 4088,282,198 --out logits.safetensors",
  async run(args) {
    const { positionals, settings, own, hasFlag } = parseCommandLine(args, ["ids", "out", "chunk"])
    const out = own.out?.at(-1)
    if (out === undefined) throw new UsageError("--out: expected a file to write")
    const prompts = (own.ids ?? []).map(parseIds)
    if (prompts.length === 0) throw new UsageError("--ids: expected token ids such as 1,2,3")
    const chunk = own.chunk?.at(-1)
    const chunkRows = chunk === undefined ? Number.POSITIVE_INFINITY : Number(chunk)
    if (!(chunkRows >= 1)) throw new UsageError(`--chunk: expected a positive whole number, found ${chunk}`)

    const format = hasFlag("format") ? settings.format : "f32"
    const model = await locateModel(onlyPositional(positionals, "a checkpoint directory"), settings["cache-dir"])
    const dense = format === "int4" ? settings.dense : "int8"
    const { dir } = await prepare(model, { ...settings, format, dense })
    const prepared = openPreparedModel(dir, model.dir)
    const arena = createArena({})
    const backend =
      settings.backend === "reference"
        ? createReferenceBackend(arena)
        : await openOnnxBackend(arena, settings.threads ?? cpus().length)
    try {
      checkIds(prompts, prepared.config.vocabSize)
      console.error(
        `computing ${prompts.length} prompt${prompts.length > 1 ? "s" : ""} in ${format} on ${backend.name}`,
      )
      const tensors = computeLogits(prepared, backend, prompts, chunkRows)
      writeSafetensors(out, tensors)
      console.error(
        `${out}: ${tensors.length} tensors, ${readableBytes(tensors.reduce((sum, { values }) => sum + values.byteLength, 0))}`,
      )
      return 0
    } finally {
      backend.close()
      arena.close()
      prepared.close()
    }
  },
}

/** Every other command does without the library, whose native code takes a while to load. */
async function openOnnxBackend(arena: Arena, numThreads: number): Promise<Backend> {
  const { createOnnxBackend } = await import("@consilium/onnx")
  return createOnnxBackend(arena, { numThreads })
}

function parseIds(text: string): number[] {
  const ids = text.split(",").map((word) => (/^\s*\d+\s*$/.test(word) ? Number(word) : Number.NaN))
  if (ids.every(Number.isSafeInteger)) return ids
  throw new UsageError(`--ids: expected whole numbers such as 1,2,3, found ${text}`)
}

function checkIds(prompts: readonly (readonly number[])[], vocabSize: number): void {
  const outside = prompts.flat().find((id) => id >= vocabSize)
  if (outside !== undefined)
    throw new UsageError(`--ids: expected ids below the vocabulary's ${vocabSize}, found ${outside}`)
}
