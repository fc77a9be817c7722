import type { ChatMessage } from "@consilium/serving"
import { createInterface } from "node:readline/promises"
import { plainLine, plainText } from "./plainText.ts"

/** What an answer may do to the terminal. */
export interface Terminal {
  /** Text of the answer, as it comes. */
  readonly say: (text: string) => void
  /** A line beside the answer: what is done for it. */
  readonly note: (line: string) => void
  /** Asks whether something may be done; no, where nobody is there to ask. */
  readonly confirm: (question: string) => Promise<boolean>
  /** Its name: what was said before `/new` is another. */
  readonly conversation: string
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal
}

/** Answers a conversation whose last message is the user's. */
export type Answer = (messages: readonly ChatMessage[], terminal: Terminal) => Promise<void>

/** Talks line by line until `/exit` or the end of input. The answers go to standard output, all else to standard error. */
export async function converse(opening: readonly ChatMessage[], answer: Answer): Promise<void> {
  const isTerminal = process.stdin.isTTY === true
  const lines = createInterface({
    input: process.stdin,
    ...(isTerminal ? { output: process.stdout } : {}),
    prompt: "> ",
  })
  let answering: AbortController | undefined
  lines.on("SIGINT", () => (answering === undefined ? lines.close() : answering.abort()))
  const confirm = async (question: string): Promise<boolean> =>
    isTerminal && /^y(es)?$/i.test((await lines.question(`${plainLine(question)} [y/N] `)).trim())
  let isMidLine = false
  const note = (line: string): void => {
    // On a screen both streams are one: what is beside the answer stands on a line of its own.
    process.stderr.write(`${isMidLine && process.stderr.isTTY ? "\n" : ""}${plainLine(line)}\n`)
    isMidLine = false
  }
  let messages = [...opening]
  let conversation = "terminal"
  if (isTerminal) lines.prompt()
  for await (const line of lines) {
    const said = line.trim()
    if (said === "/exit") break
    if (said === "/new") {
      messages = [...opening]
      conversation = `terminal-${crypto.randomUUID()}`
    } else if (said !== "") {
      answering = new AbortController()
      messages.push({ role: "user", content: said })
      let reply = ""
      const say = (piece: string): void => {
        reply += piece
        isMidLine = !piece.endsWith("\n")
        process.stdout.write(plainText(piece))
      }
      const { signal } = answering
      const terminal = { say, note, confirm, conversation, signal }
      await answer(messages, terminal).catch((error: Error) => {
        if (!signal.aborted) note(error.message)
      })
      process.stdout.write("\n")
      isMidLine = false
      answering = undefined
      // A question that nobody could answer would stand in the way of every later one.
      if (reply === "") messages.pop()
      else messages.push({ role: "assistant", content: reply })
    }
    if (isTerminal) lines.prompt()
  }
  lines.close()
}
