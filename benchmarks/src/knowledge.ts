import { createArena } from "@consilium/kernels"
import { createRemoteEmbedder, type Embedder, openLocalEmbedder } from "@consilium/fleet"
import { ensurePrepared } from "@consilium/model"
import { createBackend } from "./createBackend.ts"
import { createHandbooks } from "./knowledge/createHandbooks.ts"
import { createMeaningSearch } from "./knowledge/createMeaningSearch.ts"
import { type Answered, askAll, fillKnowledge, recallOf } from "./knowledge/measureSearch.ts"
import type { Measurement, Suite, SuiteOptions } from "./Suite.ts"

const SEED = 7
const NUM_THINGS = 2
const TIMEOUT_MS = 60_000
const REMOTE_FLAGS = ["embeddings", "embeddings-model", "embeddings-size"] as const

/** How often the right passage of 5,060 is among five, by words, by meaning and by both. */
export const knowledge: Suite = {
  name: "knowledge",
  question:
    "How often is the one passage of 5,060, most of them near copies, that answers a question among the five that a search finds, by words, by meaning and by both, and how long does a search take?",
  takes: ["model", "format", "backend"],
  compares: false,
  flags: [
    {
      name: "embeddings",
      value: "<url>",
      purpose: "an OpenAI-compatible endpoint, up to /v1, whose embeddings are measured instead of the model's",
    },
    { name: "embeddings-model", value: "<name>", purpose: "the model to ask it for" },
    { name: "embeddings-size", value: "<D>", purpose: "numbers in each of its vectors" },
  ],
  plot: "bars",
  showsTail: true,
  isForeign: ({ embeddings }) => embeddings !== undefined,
  variant: ({ flags }) => flags["embeddings-model"],
  async *run(options) {
    const handbooks = createHandbooks(SEED, NUM_THINGS)
    const { embedder, close } = await openEmbedder(options)
    try {
      options.report("words: indexing and asking")
      const words = await fillKnowledge(handbooks)
      yield* described("words", await askAll(words, handbooks))
      words.close()
      options.report("both: embedding 5,060 passages")
      const remembered = remembering(embedder, options.signal)
      const started = performance.now()
      const both = await fillKnowledge(handbooks, remembered)
      yield { name: "index", contender: "both", unit: "s", samples: [(performance.now() - started) / 1000] }
      yield* described("both", await askAll({ search: both.search }, handbooks))
      both.close()
      options.report("meaning: asking")
      const meaning = await createMeaningSearch(handbooks, remembered)
      yield* described("meaning", await askAll(meaning, handbooks))
    } finally {
      close()
    }
  },
}

function* described(contender: string, answered: readonly Answered[]): Generator<Measurement> {
  const percent = (part: readonly Answered[]): number[] => [100 * recallOf(part)]
  const note = `${answered.length} questions`
  yield { name: "found, all questions", contender, unit: "%", samples: percent(answered), note }
  for (const kind of new Set(answered.map(({ question }) => question.kind))) {
    const part = answered.filter(({ question }) => question.kind === kind)
    yield { name: `found, ${kind}`, contender, unit: "%", samples: percent(part), note: `${part.length} questions` }
  }
  yield { name: "search", contender, unit: "ms", samples: answered.map(({ ms }) => ms) }
}

async function openEmbedder(
  options: SuiteOptions,
): Promise<{ readonly embedder: Pick<Embedder, "embed">; readonly close: () => void }> {
  const { modelDir, cacheDir, format, backend, numThreads, flags, report } = options
  const [baseUrl, model, size] = REMOTE_FLAGS.map((name) => flags[name])
  if (baseUrl !== undefined && model !== undefined && size !== undefined) {
    const endpoint = { baseUrl, model, size: Number(size), timeoutMs: TIMEOUT_MS }
    return { embedder: createRemoteEmbedder(endpoint), close: () => {} }
  }
  if (REMOTE_FLAGS.some((name) => flags[name] !== undefined))
    throw new Error(`expected --${REMOTE_FLAGS.join(", --")} together, found some of them: give all three, or none`)
  const { dir } = await ensurePrepared({ sourceDir: modelDir, format, cacheDir, onProgress: () => report("preparing") })
  const arena = createArena({})
  const own = createBackend(backend, arena, numThreads)
  const embedder = openLocalEmbedder(dir, modelDir, own)
  const close = (): void => {
    embedder.close()
    own.close()
    arena.close()
  }
  return { embedder, close }
}

/** Asks for a passage's vector once; for questions each time, since that is what a search waits for. Lets Ctrl-C in. */
function remembering(embedder: Pick<Embedder, "embed">, signal: AbortSignal): Pick<Embedder, "embed"> {
  const known = new Map<string, Float32Array>()
  return {
    async embed(texts) {
      if (texts.length === 1) return embedder.embed(texts)
      await Bun.sleep(0)
      signal.throwIfAborted()
      const unknown = texts.filter((text) => !known.has(text))
      for (const [i, vector] of (await embedder.embed(unknown)).entries()) known.set(unknown[i]!, vector)
      return texts.map((text) => known.get(text)!)
    },
  }
}
