/** Every setting, declared once: its flag, environment variable and key of `consilium.toml` follow from its name. */
import { parseBudgets, parseTokenPrice } from "@consilium/cost"
import { DENSE_FORMATS } from "@consilium/model"
import { ROUTING_MODES } from "@consilium/serving"
import { homedir } from "node:os"
import { join } from "node:path"
import {
  number,
  onOff,
  oneOf,
  optional,
  parseBytes,
  parseDuration,
  parseMemory,
  readBy,
  type Setting,
  text,
  whole,
} from "./Setting.ts"

function defaultCacheDir(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "consilium")
}

function defaultMemoryFile(): string {
  return join(process.env.XDG_DATA_HOME || join(homedir(), ".local", "share"), "consilium", "memory.sqlite")
}

export const SETTINGS = {
  host: {
    ...text("<address>"),
    defaultText: "127.0.0.1",
    description: "Address to listen on. Others than this machine reach it only if you say so; set an API key then.",
  },
  port: {
    ...whole(0, 65535),
    defaultText: "8080",
    description: "Port to listen on; 0 takes a free one.",
  },
  model: {
    ...text("<dir|hub name>"),
    defaultText: "consilium-mini",
    description:
      "A checkpoint directory, or a hub name such as `allenai/OLMoE-1B-7B-0924-Instruct`. `consilium-mini` is the embedded model.",
  },
  memory: {
    placeholder: "<bytes|share>",
    parse: parseMemory,
    defaultText: "0.8",
    description:
      "Most resident memory of the engine: `2GiB`, or a share of the machine such as `0.5`. Experts that do not fit sleep on disk until they are wanted.",
  },
  "memory-domains": {
    ...optional(whole(1, 64)),
    description:
      "Memory domains that experts are spread over by their load; the machine's NUMA nodes unless set. More than there are nodes are for trying it out: they differ by name only.",
  },
  backend: {
    ...oneOf("auto", "reference", "onnx", "x64", "gpu"),
    defaultText: "auto",
    description:
      "What computes: machine code for this processor (`x64`), onnxruntime, plain loops, or a GPU (`gpu`, by WebGPU) together with the fastest of these. `auto` takes a GPU where it measures it to be faster, else the fastest of the processor's that passes its self-test.",
  },
  "gpu-memory": {
    ...optional({ placeholder: "<bytes>", parse: parseBytes }),
    description:
      "Most memory of a GPU that is used, such as `8GiB`: weights that all tokens visit, keys and values, and the hottest experts lie there, the others compute on the processor at the same time. As much as the GPU gives unless set.",
  },
  format: {
    ...oneOf("f32", "int8", "int4"),
    defaultText: "int8",
    description: "How weights are packed: 32-bit floats, 8-bit integers, or experts in 4 bits and the rest in 8.",
  },
  dense: {
    ...oneOf(...DENSE_FORMATS),
    defaultText: "int8",
    description:
      "With `int4`, how what is no expert is packed: attention, embedding, head. In 4 bits it decodes faster, and less well.",
  },
  context: {
    ...optional(whole(1, 2 ** 24)),
    description: "Most tokens of a prompt and its answer; the model's own, as far as memory allows, unless set.",
  },
  "expert-idle": {
    ...optional({ placeholder: "<time>", parse: parseDuration }),
    description: "Experts that nobody used for so long fall asleep: `30s`, `5m`. Never, unless set.",
  },
  "model-idle": {
    ...optional({ placeholder: "<time>", parse: parseDuration }),
    description:
      "Without a request for so long the whole model falls asleep, and its process ends; the next request wakes it. Never, unless set.",
  },
  "step-deadline": {
    placeholder: "<time>",
    parse: parseDuration,
    defaultText: "60s",
    description: "An engine that finishes no step for so long is killed and started anew; answers in flight go on.",
  },
  routing: {
    ...oneOf(...ROUTING_MODES),
    defaultText: "exact",
    description:
      "How tokens are routed: as the router says; so that the load is evened out (`balanced`); or round experts that sleep, where enough are awake (`awake`). All but `exact` change answers; operators see by how much.",
  },
  "bias-rate": {
    ...optional(number(0, 1)),
    description:
      "With `balanced`, how far an expert's selection bias moves at each step towards an even load; 0 is no bias, DeepSeek-V3's 0.001 holds unless set.",
  },
  "router-noise": {
    ...optional(number(0, 10)),
    description:
      "With `balanced`, noise by which experts are chosen, not weighed: its standard deviation in logits. The same at the same position of the same text. None, unless set.",
  },
  "capacity-factor": {
    ...optional(number(1, 1024)),
    description:
      "With `balanced`, assignments that an expert may take in a step, over the even share. What is past it goes to the token's next best expert with room, or nowhere. Answers then depend on what is computed beside them. Any number, unless set.",
  },
  calendar: {
    ...optional(text("<file.json>")),
    description:
      "Events that bring load (docs/operations.md). With it, experts are woken ahead of what is expected, and let sleep where nothing is.",
  },
  "swap-dir": {
    ...optional(text("<dir>")),
    description: "Where files lie that experts may be replaced from while the service runs. Without it none are.",
  },
  failover: {
    ...oneOf("exact", "any"),
    defaultText: "any",
    description:
      "What may stand in for an expert that fails: only what gives the same answers (`exact`), or also other experts (`any`). Answers say what was used.",
  },
  "enable-faults": {
    ...onOff,
    description: "Lets operators inject faults, to see what becomes of them. Not for service.",
  },
  "max-streams": {
    ...whole(1, 1024),
    defaultText: "16",
    description: "Most answers computed at once.",
  },
  "max-queue": {
    ...whole(1, 100_000),
    defaultText: "256",
    description: "Most requests in flight, waiting ones included; more get 429.",
  },
  threads: {
    ...optional(whole(1, 1024)),
    description: "Threads that compute; as many as there are cores unless set.",
  },
  "cache-dir": {
    ...text("<dir>"),
    get defaultText() {
      return defaultCacheDir()
    },
    description: "Where prepared models are kept.",
  },
  "api-key": {
    ...optional(text("<key>")),
    isSecret: true,
    description: "When set, every route but `/health` wants it as a bearer token.",
  },
  "admin-key": {
    ...optional(text("<key>")),
    isSecret: true,
    description: "When set, admin routes want it as a bearer token.",
  },
  "admin-port": {
    ...optional(whole(0, 65535)),
    description: "When set, admin routes are served on this port of 127.0.0.1.",
  },
  "agent-memory": {
    ...text("<file.sqlite|off>"),
    get defaultText() {
      return defaultMemoryFile()
    },
    description:
      "Where agents keep what users who are named told them (docs/agents.md); made with the first run. `off` keeps nothing.",
  },
  ledger: {
    ...optional(text("<file.sqlite>")),
    description:
      "Where what each request used and cost is kept (docs/operations.md); `consilium cost` reads it. It is not kept, unless set.",
  },
  price: {
    ...optional(
      readBy("<in[,cached],out>", parseTokenPrice, "USD per million tokens of prompts and answers, such as 0.5,1.5"),
    ),
    description:
      "What a million tokens of prompts (reused ones apart) and of answers cost, in USD: `0.5,1.5`. Nothing, unless set.",
  },
  budget: {
    ...optional(
      readBy("<by=soft,hard/period;…>", parseBudgets, "limits in USD such as key=4,5/day or agent:writer=1,2/month"),
    ),
    description:
      "What may be spent by each `key`, `agent`, `expert`, `domain` or `model`, or by one that is named, in an `hour`, `day` or `month`: `key=4,5/day; agent:writer=1,2/month`. Beyond the soft limit answers warn, beyond the hard one requests get 402. Wants a price.",
  },
  debug: {
    ...whole(0, 4),
    defaultText: "0",
    description: "1 says which backend and format were chosen, 2 adds a line per step.",
  },
} as const satisfies Readonly<Record<string, Setting<unknown>>>

export type SettingName = keyof typeof SETTINGS

type Value<S> = S extends { readonly parse: (text: string) => infer R }
  ? R extends { readonly value: infer T }
    ? T
    : never
  : never

/** All settings, parsed. */
export type Settings = { readonly [Name in SettingName]: Value<(typeof SETTINGS)[Name]> }

export const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[]

/** `max-streams` → `CONSILIUM_MAX_STREAMS`. */
export function environmentName(name: string): string {
  return `CONSILIUM_${name.toUpperCase().replaceAll("-", "_")}`
}
