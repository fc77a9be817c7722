import { type EngineOptions, loadModelText, type ModelText } from "@consilium/serving"
import { ensurePrepared, GREEDY, type SamplingParams } from "@consilium/model"
import { join } from "node:path"

/** The embedded model's directory. */
export const MINI_DIR = join(import.meta.dir, "../../../models/consilium-mini")

/** Streams that each engine decodes at once; the dense model has as many as all experts together. */
export const SLOTS_PER_EXPERT = 32
/** Tokens of prompt and answer together: more than the model was trained on. */
export const CONTEXT = 1536
/** An upper bound: none of the models comes near. */
const MEMORY_BYTES = 6 * 2 ** 30
const MAX_QUEUE = 4096

/** Packs the embedded model where it is not packed yet; returns the directory. @throws as `ensurePrepared` */
export async function prepareMini(cacheDir: string): Promise<string> {
  const packing = { sourceDir: MINI_DIR, format: "int8", dense: "int8", cacheDir } as const
  return (await ensurePrepared({ ...packing, onProgress: () => {} })).dir
}

/** Returns what an engine of the cases is started with: the same for the dense model and for each expert. */
export function engineOptions(
  modelId: string,
  { sourceDir, preparedDir }: { readonly sourceDir: string; readonly preparedDir: string },
  { numThreads, numSlots }: Pick<EngineOptions["start"], "numThreads" | "numSlots">,
): EngineOptions {
  return {
    start: {
      modelId,
      sourceDir,
      preparedDir,
      backend: "auto",
      numThreads,
      numSlots,
      contextLength: CONTEXT,
      memoryBytes: MEMORY_BYTES,
      maxWaiting: MAX_QUEUE,
      debug: 0,
      enablesFaults: false,
      expertIdleMs: null,
      routing: { mode: "exact" },
      allowsOtherText: true,
    },
    maxQueue: MAX_QUEUE,
  }
}

/** Greedy, and never the end of the text: answers are as long as they are asked to be. */
export function endless({ eosIds }: Pick<ModelText, "eosIds">): SamplingParams {
  return { ...GREEDY, logitBias: eosIds.map((id) => [id, -100] as const) }
}

/** Loads the embedded model's text side: the dense model of a case has the same. */
export function loadMiniText(): ModelText {
  return loadModelText(MINI_DIR)
}
