import { expertBytesPerToken } from "@consilium/cost"
import type { FleetConfig, LocalExpertConfig, LocalModel, OnnxTextExpertConfig } from "@consilium/fleet"
import { inspectModel, type ModelFormats, modelFormats } from "@consilium/model"
import {
  createDesiredFile,
  loadModelText,
  loadOnnxText,
  onnxConfig,
  onnxModelBytes,
  SESSION_SHARE,
  usualContext,
} from "@consilium/serving"
import { existsSync } from "node:fs"
import { dirname } from "node:path"
import type { ModelDeps } from "../http/ServiceDeps.ts"
import { SETTINGS_FILE } from "../settings/loadSettings.ts"
import { SettingError } from "../settings/SettingError.ts"
import type { Settings } from "../settings/Settings.ts"
import { engineStart } from "./engineStart.ts"
import { shapeOfServed } from "./openCosts.ts"
import { locateModel, prepare } from "./openModel.ts"

/** What an engine's process takes beside weights and contexts. */
const PROCESS_BYTES = 256 * 2 ** 20
/** What the process of an ONNX model takes, with contexts, beside its files' share: what onnxruntime makes of them, and half as much for contexts. */
const ONNX_PROCESS_BYTES = 512 * 2 ** 20
const ONNX_SHARE = SESSION_SHARE + 0.5
/** Contexts count for so many positions of each stream, where nothing else is said. */
const USUAL_CONTEXT = 4096

/** A local expert's model, and what an operator wants to know of it. */
export interface OpenedModel {
  readonly model: LocalModel
  /** Tokens of a prompt and its answer. */
  readonly contextLength: number
  /** Undefined of an ONNX model, which has no experts that an operator could see to. */
  readonly admin: Pick<ModelDeps, "packing" | "desired"> | undefined
}

/** Finds, downloads and packs the models of all local experts. @throws as `locateModel` and `prepare` */
export async function openLocalModels({ experts }: FleetConfig, settings: Settings): Promise<readonly OpenedModel[]> {
  const models: OpenedModel[] = []
  // One after the other: each shows its progress, and takes the machine.
  for (const expert of experts) {
    if (expert.kind === "local") models.push(await openLocalModel(expert, settings))
    if (expert.kind === "onnx-text") models.push(openOnnxModel(expert, settings))
  }
  return models
}

/** @throws SettingError on a file that is not there, or that cannot chat; TextError on a tokenizer that cannot be loaded */
function openOnnxModel({ name, model: path, memoryBytes }: OnnxTextExpertConfig, settings: Settings): OpenedModel {
  const fail = (expected: string, found: string): never => {
    throw new SettingError(
      `${SETTINGS_FILE}: fleet.experts.${name}.model: ${path}: expected ${expected}, found ${found}`,
    )
  }
  if (!existsSync(path)) fail("an ONNX file", "none")
  const text = loadOnnxText(path)
  if (text.template === undefined) fail("a chat template in tokenizer_config.json or chat_template.jinja", "none")
  const dir = dirname(path)
  const { "model-idle": modelIdleMs, "step-deadline": stepDeadlineMs, "max-queue": maxQueue } = settings
  const usual = Math.min(settings.memory, ONNX_PROCESS_BYTES + ONNX_SHARE * onnxModelBytes(path))
  const start = {
    ...engineStart({ modelId: name, dir }, dir, settings),
    onnxModel: path,
    memoryBytes: Math.floor(memoryBytes ?? usual),
  }
  const options = { start, maxQueue, stepDeadlineMs, ...(modelIdleMs === undefined ? {} : { modelIdleMs }) }
  // What it may route within, nobody sees: no bytes of experts are counted.
  const model = { name, text, options, expertBytesPerToken: 0 }
  return { model, admin: undefined, contextLength: settings.context ?? usualContext(onnxConfig(path)) }
}

async function openLocalModel(expert: LocalExpertConfig, settings: Settings): Promise<OpenedModel> {
  const { name, format = settings.format } = expert
  const found = await locateModel(expert.model, settings["cache-dir"])
  const dense = format === "int4" ? settings.dense : "int8"
  const prepared = await prepare(found, { format, dense, "cache-dir": settings["cache-dir"] })
  const desired = createDesiredFile(prepared.dir, (line) => console.error(line))
  const formats = modelFormats(format, dense)
  const { "model-idle": modelIdleMs, "step-deadline": stepDeadlineMs, "max-queue": maxQueue } = settings
  const memoryBytes = Math.floor(expert.memoryBytes ?? usualBytes(found.dir, formats, settings))
  const model: LocalModel = {
    name,
    text: loadModelText(found.dir),
    expertBytesPerToken: expertBytesPerToken(shapeOfServed(found.dir, { format, dense })),
    options: {
      start: { ...engineStart({ modelId: name, dir: found.dir }, prepared.dir, settings), memoryBytes },
      maxQueue,
      stepDeadlineMs,
      desired: desired.load(),
      onDesired: desired.save,
      ...(modelIdleMs === undefined ? {} : { modelIdleMs }),
    },
  }
  const packing = { sourceDir: found.dir, preparedDir: prepared.dir, formats, swapDir: settings["swap-dir"] }
  const contextLength = settings.context ?? inspectModel(found.dir).config.contextLength
  return { model, admin: { packing, desired }, contextLength }
}

/** What a model wants to have all its weights and contexts of a usual length in memory; all that there is, where that is less: then its own experts sleep. */
function usualBytes(dir: string, formats: ModelFormats, settings: Settings): number {
  const { config, packings, stateBytesPerPosition } = inspectModel(dir)
  const { bytes } = packings.find((one) => one.format === formats.format && one.denseFormat === formats.denseFormat)!
  const context = settings.context ?? Math.min(config.contextLength, USUAL_CONTEXT)
  // Of what the weights leave, contexts take half.
  const contexts = 2 * stateBytesPerPosition * context * settings["max-streams"]
  return Math.min(settings.memory, PROCESS_BYTES + bytes + contexts)
}
