import { inspectModel } from "@consilium/model"
import type { Command } from "./Command.ts"
import { locateModel } from "./openModel.ts"
import { onlyPositional, parseCommandLine } from "./parseCommandLine.ts"
import { readableBytes } from "./progressBar.ts"

const millions = (count: number): string => `${(count / 1e6).toPrecision(3)} M`

export const inspectCommand: Command = {
  name: "inspect",
  summary: "says what a checkpoint is, and what serving it takes, without reading its weights",
  usage: "<dir|hub name>",
  example: "consilium inspect models/consilium-mini",
  async run(args) {
    const { positionals, settings } = parseCommandLine(args)
    const { dir } = await locateModel(onlyPositional(positionals, "a checkpoint directory"), settings["cache-dir"])
    const { config, numParameters, numActiveParameters, checkpointBytes, packings, stateBytesPerPosition } =
      inspectModel(dir)
    const { family, hiddenSize, vocabSize, contextLength, layers } = config
    const attention = layers[0]!.attention
    const sparse = layers.flatMap(({ feedForward }) => (feedForward.kind === "moe" ? [feedForward] : []))
    const line = (name: string, text: string): void => console.log(`${name.padEnd(12)} ${text}`)

    line("family", family)
    line("parameters", `${millions(numParameters)} in all, ${millions(numActiveParameters)} used per token`)
    line("sizes", `${layers.length} layers, hidden ${hiddenSize}, vocabulary ${vocabSize}, context ${contextLength}`)
    line("attention", `${attention.numHeads} heads, ${attention.numKvHeads} key/value heads of ${attention.headDim}`)
    if (sparse[0] === undefined) line("experts", "none: a dense model")
    else {
      const { numExperts, topK, expertIntermediateSize, sharedExpert } = sparse[0]
      const shared = sharedExpert === undefined ? "" : `, a shared expert of ${sharedExpert.intermediateSize}`
      line(
        "experts",
        `${numExperts} of ${expertIntermediateSize} in ${sparse.length} of ${layers.length} layers, ${topK} per token${shared}`,
      )
    }
    line("checkpoint", readableBytes(checkpointBytes))
    for (const { format, denseFormat, bytes, expertBytes } of packings) {
      const isAllInt4 = denseFormat === "int4"
      const expert = expertBytes === undefined ? "" : `, one expert ${readableBytes(expertBytes)}`
      line(
        isAllInt4 ? "" : format,
        `${readableBytes(bytes)} on disk and resident${isAllInt4 ? " with --dense int4" : expert}`,
      )
    }
    const streams = settings["max-streams"]
    line(
      "context",
      `${readableBytes(stateBytesPerPosition)} per token; ${streams} streams of ${contextLength} tokens up to ${readableBytes(stateBytesPerPosition * contextLength * streams)}`,
    )
    return 0
  },
}
