import type { Command } from "./Command.ts"
import { locateModel, prepare } from "./openModel.ts"
import { onlyPositional, parseCommandLine } from "./parseCommandLine.ts"

export const prepareCommand: Command = {
  name: "prepare",
  summary: "packs a checkpoint for one format into the cache, as the first start would",
  usage: "<dir|hub name> [--format f32|int8|int4] [--dense int8|int4] [--cache-dir DIR]",
  example: "consilium prepare models/my-checkpoint --format int4",
  async run(args) {
    const { positionals, settings } = parseCommandLine(args)
    const model = await locateModel(
      onlyPositional(positionals, "a checkpoint directory or a hub name"),
      settings["cache-dir"],
    )
    const { dir, wasPrepared } = await prepare(model, settings)
    console.log(`${wasPrepared ? "already prepared" : "prepared"}: ${dir}`)
    return 0
  },
}
