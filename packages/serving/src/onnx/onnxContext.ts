import { findModelFile, readJsonObject } from "@consilium/model"

/** What configs call the most positions, by age. */
const CONTEXT_KEYS = ["max_position_embeddings", "n_positions", "n_ctx", "seq_length"]
/** Where nobody says how long sequences may be. */
const USUAL_CONTEXT = 2048
const MOST_CONTEXT = 4096

/** Returns the config.json of an ONNX model, from beside it or from the folder above; nothing of a model without one. */
export function onnxConfig(path: string): Readonly<Record<string, unknown>> {
  const file = findModelFile(path, "config.json")
  return file === undefined ? {} : readJsonObject(file)
}

/** Returns how many positions a config knows; undefined where it does not say. */
export function knownContext(config: Readonly<Record<string, unknown>>): number | undefined {
  return CONTEXT_KEYS.map((key) => wholeNumber(config[key])).find((value) => value !== undefined)
}

/** Returns how long sequences may be where no setting says it: as many positions as its config knows, and not more than are usual. */
export function usualContext(config: Readonly<Record<string, unknown>>): number {
  return Math.min(knownContext(config) ?? USUAL_CONTEXT, MOST_CONTEXT)
}

/** Returns a value of a config that is a number from 1 on; undefined for any other. */
export function wholeNumber(value: unknown): number | undefined {
  return Number.isSafeInteger(value) && (value as number) > 0 ? (value as number) : undefined
}
