import { DENSE_FORMATS, type DenseFormat, ensurePrepared, loadModelConfig } from "@consilium/model"
import { basename, join } from "node:path"
import { generateModel } from "./generate/generateModel.ts"
import { parseShape, SHAPES } from "./generate/parseShape.ts"
import { parseSkew } from "./generate/routerRowScales.ts"
import { ggufObstacle, writeGguf } from "./generate/writeGguf.ts"
import type { SuiteFlag, SuiteOptions } from "./Suite.ts"

/** The weights of every run are the same. */
const SEED = 4

/** The flags of suites that measure a model of any shape. */
export const MODEL_FLAGS: readonly SuiteFlag[] = [
  {
    name: "shape",
    value: "<name>[,<field>=<n>…]",
    purpose: `instead of a model: generates one of random weights, ${Object.keys(SHAPES).join(", ")}`,
  },
  {
    name: "skew",
    value: "<uniform|zipf>",
    purpose: "how a generated model's tokens spread over its experts (uniform)",
  },
  { name: "dense", value: "<int8|int4>", purpose: "attention, embedding and head beside 4-bit experts (int8)" },
]

/** Names a generated model; undefined where a checkpoint is asked for. @throws Error saying what `--shape` expects */
export function nameModel({ shape }: SuiteOptions["flags"]): string | undefined {
  return shape === undefined ? undefined : parseShape(shape).name
}

/** Names what else than the model differs from run to run. */
export function describeVariant({ flags }: Pick<SuiteOptions, "flags">): string | undefined {
  const parts = [
    ...(parseSkew(flags.skew) === "zipf" ? ["zipf"] : []),
    ...(parseDense(flags.dense) === "int4" ? ["dense-int4"] : []),
  ]
  return parts.length === 0 ? undefined : parts.join("-")
}

/** A model to measure, on disk. */
export interface EngineModel {
  /** In the directory where a service that is given its parent as cache looks for it. */
  readonly preparedDir: string
  /** Has config.json; of a generated model nothing else is left. */
  readonly sourceDir: string
  /** Its shape for llama.cpp; undefined where it is not asked for, or cannot be. */
  readonly ggufPath: string | undefined
  /** Why there is no GGUF though it was asked for. */
  readonly ggufObstacle: string | undefined
}

/**
 * Brings the model that was asked for to disk: a checkpoint prepared, or a shape generated. It lies in the run's cache directory.
 *
 * @param withGguf also writes a GGUF file of the same shape, of random weights even where the checkpoint's are not
 * @throws CheckpointError, PreparedModelError; Error where the disk is too small; the signal's reason when it is aborted
 */
export async function prepareEngineModel(options: SuiteOptions, withGguf: boolean): Promise<EngineModel> {
  const { flags, format, cacheDir, modelDir, signal, report } = options
  const common = { skew: parseSkew(flags.skew), seed: SEED, signal }
  const dense = parseDense(flags.dense)
  if (flags.shape !== undefined) {
    const shape = parseShape(flags.shape)
    const dir = join(cacheDir, "generated")
    return {
      ...(await generateModel(dir, { ...common, shape, format, dense, withGguf, report })),
      ggufObstacle: undefined,
    }
  }
  const { config } = loadModelConfig(modelDir)
  const { dir } = await ensurePrepared({ sourceDir: modelDir, format, dense, cacheDir, onProgress: () => {}, signal })
  const model = { preparedDir: dir, sourceDir: modelDir, ggufPath: undefined, ggufObstacle: undefined }
  const obstacle = ggufObstacle(config)
  if (!withGguf || obstacle !== undefined) return { ...model, ggufObstacle: obstacle }
  const name = basename(modelDir)
  const ggufPath = join(cacheDir, `${name}.gguf`)
  report(`generating GGUF of ${name}'s shape`)
  await writeGguf(ggufPath, modelDir, common)
  return { ...model, ggufPath }
}

/** Parses `--dense`; 8 bits where it is absent. @throws Error on what is no format of dense parts */
export function parseDense(text: string = DENSE_FORMATS[0]): DenseFormat {
  const dense = DENSE_FORMATS.find((format) => format === text)
  if (dense === undefined) throw new Error(`--dense ${text}: expected one of ${DENSE_FORMATS.join(", ")}`)
  return dense
}
