import { encodeChat, loadChatTemplate, loadTokenizer } from "@consilium/model"

/** Returns a question as a model reads it: by its chat template, where it has one. */
export function encodeQuestion(modelDir: string, question: string): readonly number[] {
  const tokenizer = loadTokenizer(modelDir)
  const template = loadChatTemplate(modelDir)
  if (template === undefined) return tokenizer.encode(question)
  return encodeChat(tokenizer, template, { messages: [{ role: "user", content: question }], tools: [] })
}
