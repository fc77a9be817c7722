import { existsSync } from "node:fs"
import { join } from "node:path"
import { readJsonObject } from "../checkpoint/openCheckpoint.ts"
import type { ModelConfig } from "../ModelConfig.ts"
import { type ConfigFields, configFields } from "./ConfigFields.ts"
import type { Family } from "./Family.ts"
import { llama } from "./llama.ts"
import { mixtral } from "./mixtral.ts"
import { olmoe } from "./olmoe.ts"
import { qwen2Moe } from "./qwen2Moe.ts"
import { qwen3 } from "./qwen3.ts"
import { qwen3Moe } from "./qwen3Moe.ts"

/** Every family that we read. */
export const FAMILIES: readonly Family[] = [qwen2Moe, qwen3Moe, mixtral, olmoe, llama, qwen3]

/**
 * Reads a checkpoint's config.json, and the end-of-sequence ids of generation_config.json where that has them.
 *
 * @throws CheckpointError naming the field; for an unknown family, the ones we read
 */
export function loadModelConfig(dir: string): { readonly family: Family; readonly config: ModelConfig } {
  const path = join(dir, "config.json")
  const fields = configFields(path, readJsonObject(path))
  const modelType = fields.text("model_type")
  const family = FAMILIES.find(({ modelTypes }) => modelTypes.includes(modelType))
  if (family === undefined) {
    const known = FAMILIES.flatMap(({ modelTypes }) => modelTypes).join(", ")
    return fields.fail("model_type", `a family that we read: ${known}`)
  }
  const generationPath = join(dir, "generation_config.json")
  const generation = existsSync(generationPath) ? configFields(generationPath, readJsonObject(generationPath)) : fields
  const eosIds = endIds(generation.has("eos_token_id") ? generation : fields)
  return { family, config: deepFreeze({ ...family.parseConfig(fields), eosIds }) }
}

function endIds(fields: ConfigFields): readonly number[] {
  if (!fields.has("eos_token_id")) return []
  return fields.sizesOrSize("eos_token_id")
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (typeof inner === "object" && inner !== null) deepFreeze(inner)
  return Object.freeze(value)
}
