import { createWordEmbedder } from "@consilium/agent"
import { type Embedder, openEmbedder } from "@consilium/fleet"
import { ensurePrepared } from "@consilium/model"
import { basename, dirname, resolve } from "node:path"
import { createHandbooks } from "./knowledge/createHandbooks.ts"
import { createMeaningSearch } from "./knowledge/createMeaningSearch.ts"
import { type Answered, askAll, fillKnowledge, recallOf } from "./knowledge/measureSearch.ts"
import type { Measurement, Suite, SuiteOptions } from "./Suite.ts"

const SEED = 7
const NUM_THINGS = 2
/** In place of a file: the embedder of knowledge bases that name none. */
const WORD_VECTORS = "words"

/** How often the right passage of 5,060 is among five, by words, by meaning and by both. */
export const knowledge: Suite = {
  name: "knowledge",
  question:
    "How often is the one passage of 5,060, most of them near copies, that answers a question among the five that a search finds, by words, by meaning and by both, and how long does a search take?",
  takes: ["model", "format"],
  compares: false,
  flags: [
    {
      name: "embedder",
      value: "<file.onnx | words>",
      purpose:
        "a sentence encoder, with tokenizer.json beside it, or the word vectors that ship, measured instead of the model's hidden states",
    },
  ],
  plot: "bars",
  showsTail: true,
  isForeign: ({ embedder }) => embedder !== undefined,
  // Files are all called model.onnx: the folder has the model's name.
  variant: ({ flags: { embedder } }) =>
    embedder === WORD_VECTORS ? "word-vectors" : embedder && basename(dirname(resolve(embedder))),
  async *run(options) {
    const handbooks = createHandbooks(SEED, NUM_THINGS)
    const embedder = await openMeasured(options)
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
      await embedder.close()
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

/** The model's own vectors, unless a flag names others. */
async function openMeasured({
  modelDir,
  cacheDir,
  format,
  flags,
  report,
}: SuiteOptions): Promise<Pick<Embedder, "embed" | "close">> {
  const encoder = flags["embedder"]
  if (encoder === WORD_VECTORS) return { ...createWordEmbedder(), close: async () => {} }
  if (encoder !== undefined) return openEmbedder({ kind: "onnx", model: encoder, task: "" })
  const { dir } = await ensurePrepared({ sourceDir: modelDir, format, cacheDir, onProgress: () => report("preparing") })
  return openEmbedder({ kind: "local", model: modelDir, format, sourceDir: modelDir, preparedDir: dir, task: "" })
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
