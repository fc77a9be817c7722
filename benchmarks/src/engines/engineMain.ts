/** A engine's process: `engineMain.ts consilium|node-llama-cpp <options as JSON>`, spoken to by `spawnEngine`. */
import { type ConsiliumOptions, createConsilium } from "./createConsilium.ts"
import { createLlama, type LlamaOptions } from "./createLlama.ts"
import { serveEngine } from "./serveEngine.ts"

const [kind, text = ""] = process.argv.slice(2)
const options: unknown = JSON.parse(text)
await serveEngine(async () =>
  kind === "consilium" ? createConsilium(options as ConsiliumOptions) : createLlama(options as LlamaOptions),
)
// Native threads of a rival may outlive its last answer.
process.exit(0)
