import { encodeChat, loadChatTemplate, loadTokenizer } from "@consilium/model"

/** Returns what encodes questions as a model reads them: by its chat template, where it has one. */
export function createQuestionEncoder(modelDir: string): (question: string) => readonly number[] {
  const tokenizer = loadTokenizer(modelDir)
  const template = loadChatTemplate(modelDir)
  return (question) => {
    if (template === undefined) return tokenizer.encode(question)
    return encodeChat(tokenizer, template, { messages: [{ role: "user", content: question }], tools: [] })
  }
}
