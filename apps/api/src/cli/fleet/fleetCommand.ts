import type { Command } from "../Command.ts"

/** Trains and judges routers of requests. */
export const fleetCommand: Command = {
  name: "fleet",
  summary: "trains a router of requests from examples, or judges one",
  usage:
    "train <examples.csv>… [--label COLUMN | --cheap COLUMN --strong COLUMN] [--out FILE] | evaluate <router> <examples.csv>…",
  options:
    "  train keeps a fifth of the examples out, seeded, and judges the router by these.\n" +
    "  evaluate judges by the rows that the router was not trained on.\n" +
    "  --label COLUMN   the column with the right expert's name (label)\n" +
    "  --cheap COLUMN   instead: columns that say, true or false, whether a cheap and a strong expert\n" +
    "  --strong COLUMN  answered well: the router learns when the cheap one suffices\n" +
    "  --text COLUMN    the column with the request (text); columns tools and images are read where there are any\n" +
    "  --kind KIND      linear, or mlp (the default): larger, slower to train, right more often\n" +
    "  --embedder KIND  local, onnx or remote: texts are embedded too, by the table [fleet.embedder] of consilium.toml;\n" +
    "                   without a table, local is the embedded model\n" +
    "  --seed N         of the split and the training (0)\n" +
    "  --out FILE       where the router goes (<examples>.router)\n" +
    "  --svg FILE       draws calibration, or quality over the share of the strong expert",
  example: "consilium fleet train questions.csv --label desk --out desks.router --svg desks.svg",
  async run(args) {
    // Every other command does without the fleet.
    const { runFleetAction } = await import("./runFleetAction.ts")
    return runFleetAction(args)
  },
}
