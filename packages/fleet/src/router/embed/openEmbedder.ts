import { findModelFile } from "@consilium/model"
import { onnxFiles } from "@consilium/serving"
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { RouterError } from "../RouterError.ts"
import { createRemoteEmbedder } from "./createRemoteEmbedder.ts"
import type { Embedder } from "./Embedder.ts"
import { hashFiles } from "./hashFiles.ts"
import { openProcessEmbedder } from "./openProcessEmbedder.ts"

/** What an embedder is opened from: its table, with the files and the key that it names. */
export type EmbedderSource = { readonly task: string; readonly model: string } & (
  | { readonly kind: "local"; readonly format: string; readonly sourceDir: string; readonly preparedDir: string }
  /** `model` is its file. */
  | { readonly kind: "onnx" }
  | {
      readonly kind: "remote"
      readonly url: string
      readonly key: string | undefined
      readonly size: number
      readonly timeoutMs: number
    }
)

/**
 * Opens an embedder: local and ONNX ones compute in a process of their own, and have loaded by then; a remote one is asked for nothing yet.
 *
 * @throws RouterError on a model that cannot be loaded
 */
export async function openEmbedder(source: EmbedderSource): Promise<Embedder> {
  const { kind, model, task } = source
  const withTask = (texts: readonly string[]): readonly string[] => texts.map((text) => task + text)
  if (kind === "remote") {
    const { url: baseUrl, key: apiKey, size, timeoutMs } = source
    const remote = createRemoteEmbedder({ baseUrl, model, size, timeoutMs, ...(apiKey !== undefined && { apiKey }) })
    const mark = { kind, model, task, size }
    return { mark, embed: (texts) => remote.embed(withTask(texts)), close: async () => {} }
  }
  const { start, content } = kind === "local" ? localStart(source) : onnxStart(model)
  const opened = await openProcessEmbedder(start, model)
  const mark = { kind, model, content, task, size: opened.size }
  return { mark, embed: (texts) => opened.embed(withTask(texts)), close: opened.close }
}

function localStart({ sourceDir, preparedDir, format }: Extract<EmbedderSource, { kind: "local" }>) {
  const files = readdirSync(sourceDir).filter(
    (name) =>
      name.endsWith(".safetensors") || ["config.json", "tokenizer.json", "tokenizer_config.json"].includes(name),
  )
  const content = hashFiles(files.map((name) => join(sourceDir, name)))
  return { start: { kind: "local", preparedDir, sourceDir } as const, content: `${content}-${format}` }
}

function onnxStart(path: string) {
  if (!existsSync(path)) throw new RouterError(`${path}: expected an ONNX file, found none`)
  const tokenizer = ["tokenizer.json", "tokenizer_config.json"].flatMap((name) => findModelFile(path, name) ?? [])
  return { start: { kind: "onnx", path } as const, content: hashFiles([...onnxFiles(path), ...tokenizer]) }
}
