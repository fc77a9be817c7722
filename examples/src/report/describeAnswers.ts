import type { JudgedQuestion } from "../answer/answerQuestions.ts"

/** Writes every question with both answers, who gave the later one, and what the judge says of each. */
export function describeAnswers(questions: readonly JudgedQuestion[]): string {
  return questions.map(describeOne).join("\n\n")
}

function describeOne({ question, before, after }: JudgedQuestion): string {
  const verdict = (isResolved: boolean): string => (isResolved ? "✓" : "✗")
  const desk =
    after.desk === undefined ? "" : `, ${after.desk}${after.desk === question.desk ? "" : ` (not ${question.desk})`}`
  return [
    `${question.ask}  [${question.kind}${question.isFresh ? ", worded freshly" : ""}]`,
    `  before ${verdict(before.isResolved)} ${inLine(before.text)}`,
    `  after  ${verdict(after.isResolved)} ${inLine(after.text)}  (${after.by}${desk})`,
  ].join("\n")
}

function inLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim()
}
