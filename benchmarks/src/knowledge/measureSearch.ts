import { type KnowledgeBase, openKnowledgeBase } from "@consilium/agent"
import type { Embedder } from "@consilium/fleet"
import type { createHandbooks, HandbookQuestion } from "./createHandbooks.ts"

/** What is asked, the one section that answers it, and what sort of question it is. */
export type AskedQuestion = Omit<HandbookQuestion, "kind"> & { readonly kind: string }

type Handbooks = ReturnType<typeof createHandbooks>

/** How a search did on one question. */
export interface Answered {
  readonly question: AskedQuestion
  /** Whether the section that answers it is among the five found. */
  readonly isFound: boolean
  readonly ms: number
}

/** Passages that a prompt has room for. */
const LIMIT = 5

/** Opens a knowledge base in memory with all pages in it. */
export async function fillKnowledge(
  { pages }: Handbooks,
  embedder?: Pick<Embedder, "embed">,
): Promise<ReturnType<typeof openKnowledgeBase>> {
  const knowledge = openKnowledgeBase(":memory:", embedder && { embedder })
  for (const page of pages) await knowledge.add(page)
  return knowledge
}

/** Asks each question once, after a few to warm up. */
export async function askAll(
  knowledge: Pick<KnowledgeBase, "search">,
  { questions }: { readonly questions: readonly AskedQuestion[] },
): Promise<Answered[]> {
  for (const { text } of questions.slice(0, 20)) await knowledge.search(text, LIMIT)
  const answered: Answered[] = []
  for (const question of questions) {
    const started = performance.now()
    const found = await knowledge.search(question.text, LIMIT)
    const ms = performance.now() - started
    const isFound = found.some(
      ({ document, headings }) => document === question.document && headings.at(-1) === question.title,
    )
    answered.push({ question, isFound, ms })
  }
  return answered
}

/** Returns the part of the questions whose section was found. */
export function recallOf(answered: readonly Answered[]): number {
  return answered.filter(({ isFound }) => isFound).length / answered.length
}
