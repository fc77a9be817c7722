import { parseUrl } from "./parseUrl.ts"
import type { TableReader } from "./TableReader.ts"

/** The `[fleet.embedder]` table: what turns requests' texts into vectors for a router that was trained with them. */
export type EmbedderConfig = {
  /** What a text begins with, for models that want to hear what they embed for: `classification: `. */
  readonly task: string
  /** A request whose text is not embedded by then is routed by its words. */
  readonly timeoutMs: number
} & (
  | {
      readonly kind: "local"
      /** A checkpoint directory or a hub name, as `--model`. */
      readonly model: string
      readonly format: "f32" | "int8" | "int4"
    }
  | {
      readonly kind: "onnx"
      /** Its file. */
      readonly model: string
    }
  | {
      readonly kind: "remote"
      readonly model: string
      /** Up to and with `/v1`. */
      readonly url: string
      readonly keyEnv: string | undefined
      /** Length of its vectors. */
      readonly size: number
    }
)

const EMBEDDED = "consilium-mini"
const TIMEOUT_MS = 1000
const MOST_SIZE = 16_384
const MOST_TASK = 500

/** Reads the embedder's table. @throws TableError */
export function parseEmbedder(table: TableReader | undefined): EmbedderConfig | undefined {
  if (table === undefined) return undefined
  const config = parseKind(table)
  table.end()
  return config
}

function parseKind(table: TableReader): EmbedderConfig {
  const kind = table.oneOf("kind", ["local", "onnx", "remote"]) ?? table.fail("kind", "one of local, onnx, remote")
  const task = table.text("task") ?? ""
  if (task.length > MOST_TASK) table.fail("task", `a text of at most ${MOST_TASK} characters`)
  const base = { task, timeoutMs: table.duration("timeout") ?? TIMEOUT_MS }
  switch (kind) {
    case "local": {
      const format = table.oneOf("format", ["f32", "int8", "int4"]) ?? "int8"
      return { ...base, kind, model: table.text("model") ?? EMBEDDED, format }
    }
    case "onnx":
      return { ...base, kind, model: table.neededText("model") }
    case "remote": {
      const size = table.whole("size", 1, MOST_SIZE) ?? table.fail("size", "the length of the model's vectors")
      return {
        ...base,
        kind,
        model: table.neededText("model"),
        url: parseUrl(table),
        keyEnv: table.variable("key-env"),
        size,
      }
    }
  }
}
