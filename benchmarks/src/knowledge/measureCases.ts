import { openKnowledgeBase } from "@consilium/agent"
import type { Embedder } from "@consilium/fleet"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { CASE_ANSWERS } from "./caseAnswers.ts"
import { createHandbooks } from "./createHandbooks.ts"
import { type Answered, askAll, type AskedQuestion } from "./measureSearch.ts"

const EXAMPLES = join(import.meta.dir, "../../../examples")
/** The handbook of a case's own trade would answer most of its questions too, only for another house. */
const OWN_TRADE: Readonly<Record<string, string>> = { bank: "bank", hospital: "clinic", sale: "shop" }

/**
 * Asks each case its own questions about its documents, which stand among pages of other trades' handbooks.
 *
 * @param numPassages that there are at least; 0 leaves the documents alone
 */
export async function askCases(numPassages: number, embedder?: Pick<Embedder, "embed">): Promise<Answered[]> {
  const answered: Answered[] = []
  for (const name of Object.keys(CASE_ANSWERS)) {
    const knowledge = openKnowledgeBase(":memory:", embedder && { embedder })
    await knowledge.addFolder(join(EXAMPLES, name, "documents"))
    for (let seed = 1; knowledge.numPassages < numPassages; seed++)
      for (const { name: page, text } of createHandbooks(seed, 1).pages)
        if (!page.startsWith(`${OWN_TRADE[name]}/`)) await knowledge.add({ name: `${seed}/${page}`, text })
    answered.push(...(await askAll({ search: knowledge.search }, { questions: questionsOf(name) })))
    knowledge.close()
  }
  return answered
}

/** Those of a case's fixed set that its documents answer. */
function questionsOf(name: string): readonly AskedQuestion[] {
  const lines = readFileSync(join(EXAMPLES, name, "questions.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
  return lines
    .map((line) => JSON.parse(line) as { ask: string; kind: string; fresh: boolean })
    .filter(({ kind }) => kind === "document")
    .map(({ ask, fresh }) => {
      const place = CASE_ANSWERS[name]![ask]
      if (place === undefined)
        throw new Error(`${name}: expected in CASE_ANSWERS where "${ask}" is answered, found nothing`)
      const [document, title] = place.split("#") as [string, string]
      return { text: ask, document, title, kind: fresh ? "other words" : "same words" }
    })
}
