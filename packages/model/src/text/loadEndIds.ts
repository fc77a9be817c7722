import { existsSync } from "node:fs"
import { join } from "node:path"
import { readJsonObject } from "../checkpoint/openCheckpoint.ts"
import type { Tokenizer } from "./loadTokenizer.ts"

/**
 * Returns the ids that end an answer of a model of any family: as generation_config.json has them, else config.json, else the tokenizer's own; none
 * where nobody says.
 */
export function loadEndIds(dir: string, tokenizer: Tokenizer): readonly number[] {
  const read = (name: string): Readonly<Record<string, unknown>> =>
    existsSync(join(dir, name)) ? readJsonObject(join(dir, name)) : {}
  for (const name of ["generation_config.json", "config.json"]) {
    const { eos_token_id: found } = read(name)
    const ids = Array.isArray(found) ? (found as readonly unknown[]) : [found]
    if (ids.every((id): id is number => Number.isSafeInteger(id) && (id as number) >= 0)) return ids
  }
  const { eos_token: token } = read("tokenizer_config.json")
  const text = typeof token === "string" ? token : (token as { readonly content?: unknown } | undefined)?.content
  const ids = typeof text === "string" ? tokenizer.encode(text) : []
  return ids.length === 1 ? ids : []
}
