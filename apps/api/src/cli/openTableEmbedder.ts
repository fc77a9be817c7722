import { type Embedder, type EmbedderConfig, openEmbedder, parseEmbedder, readTable } from "@consilium/fleet"
import { loadTable, SETTINGS_FILE } from "../settings/loadSettings.ts"
import type { Settings } from "../settings/Settings.ts"
import { locateModel, prepare } from "./openModel.ts"
import { readKey } from "./readKey.ts"

/**
 * Opens an embedder by its table: a local model is found, downloaded and packed.
 *
 * @param path of the table, for errors
 * @param timeoutMs of a remote one
 * @throws as `locateModel` and `prepare`; SettingError on a key that is not there; RouterError on a model that cannot be loaded
 */
export async function openTableEmbedder(
  path: string,
  config: EmbedderConfig,
  { "cache-dir": cacheDir }: Pick<Settings, "cache-dir">,
  timeoutMs = config.timeoutMs,
): Promise<Embedder> {
  switch (config.kind) {
    case "local": {
      const { model, format, task } = config
      const { dir: sourceDir } = await locateModel(model, cacheDir)
      const packing = { format, dense: "int8", "cache-dir": cacheDir } as const
      const { dir: preparedDir } = await prepare({ modelId: model, dir: sourceDir }, packing)
      return openEmbedder({ kind: "local", model, task, format, sourceDir, preparedDir })
    }
    case "onnx":
      return openEmbedder(config)
    case "remote":
      return openEmbedder({ ...config, key: readKey(path, config.keyEnv), timeoutMs })
  }
}

/** Returns the table of an embedder of this kind: the settings file's, or the embedded model where that has none. @throws TableError on another kind */
export function embedderTable(kind: string): EmbedderConfig {
  const path = `${SETTINGS_FILE}: fleet`
  const fleet = loadTable(SETTINGS_FILE, "fleet")
  const table = fleet === undefined ? undefined : readTable(fleet, path).table("embedder")
  const config = parseEmbedder(table ?? readTable({ kind: "local" }, `${path}.embedder`))!
  if (config.kind === kind) return config
  const none = readTable({ kind }, `${path}.embedder`)
  return none.fail(
    "kind",
    table === undefined ? "a table that says which model, for all kinds but local" : `"${config.kind}", as it says`,
  )
}
