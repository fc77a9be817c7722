import { GREEDY } from "@consilium/model"
import { complete, type CompletionDeps } from "@consilium/serving"
import { Effect } from "effect"
import type { Case } from "../Case.ts"
import { chatRequest } from "../measure/plainRequest.ts"
import type { CaseQuestion } from "./CaseQuestion.ts"
import { judge } from "./judge.ts"
import { askDesks, type DeskAnswer, type Desks } from "./askDesks.ts"

/** A question of the fixed set, answered before and after. */
export interface JudgedQuestion {
  readonly question: CaseQuestion
  readonly before: { readonly text: string; readonly isResolved: boolean }
  readonly after: DeskAnswer & { readonly isResolved: boolean }
}

/** More than the model ever says. */
const MOST_TOKENS = 160

/**
 * Answers every question twice: by the small model alone, and by the case's desks; the same judge reads both.
 *
 * @param alone the model without routing, tools and documents
 */
export async function answerQuestions(
  one: Case,
  questions: readonly CaseQuestion[],
  alone: CompletionDeps,
  desks: Desks,
): Promise<readonly JudgedQuestion[]> {
  const judged: JudgedQuestion[] = []
  for (const question of questions) {
    const before = await askAlone(one, question.ask, alone)
    const after = await askDesks(one, question.ask, desks)
    judged.push({
      question,
      before: { text: before, isResolved: judge(question, before) },
      after: { ...after, isResolved: judge(question, after.text) },
    })
  }
  return judged
}

async function askAlone({ instructions }: Case, question: string, deps: CompletionDeps): Promise<string> {
  let text = ""
  const messages = [
    { role: "system", content: instructions },
    { role: "user", content: question },
  ] as const
  await Effect.runPromise(
    complete(chatRequest(messages, MOST_TOKENS, GREEDY), deps, (event) => {
      if (event.type === "text") text += event.text
    }),
  )
  return text
}
