/** The other side of `createAskedProcess`: answers each question of the parent, in order, and ends with it. */
export function answerQuestions<Q>(answer: (question: Q) => unknown): void {
  process.on("disconnect", () => process.exit(0))
  process.on("message", ({ id, question }: { readonly id: number; readonly question: Q }) => {
    try {
      process.send!({ id, answer: answer(question) })
    } catch (error) {
      process.send!({ id, error: (error as Error).message })
    }
  })
}
