import { ExpertFailure } from "../ExpertFailure.ts"

/** Longest line of a stream: room for a tool call's arguments in one piece. */
const MOST_LINE = 2 ** 20

/**
 * Yields the lines of a body as they come; one without an end within bounds is refused, whatever the peer says of its length.
 *
 * Leaving the loop cancels the body.
 *
 * @throws ExpertFailure
 */
export async function* readLines(body: ReadableStream<Uint8Array>, mostBytes: number): AsyncGenerator<string, void> {
  const reader = body.getReader()
  const decoder = new TextDecoder("utf-8", { fatal: true })
  let rest = ""
  let numBytes = 0
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      numBytes += value.length
      if (numBytes > mostBytes) throw tooLong(`an answer of more than ${mostBytes} bytes`)
      const lines = (rest + decode(decoder, value)).split("\n")
      rest = lines.pop()!
      for (const line of lines) yield checkLine(line).replace(/\r$/, "")
      checkLine(rest)
    }
    if (rest !== "") yield rest
  } finally {
    // What it still says is of no interest; that it cannot be told so is its own matter.
    void reader.cancel().catch(() => {})
  }
}

function decode(decoder: TextDecoder, bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes, { stream: true })
  } catch {
    throw new ExpertFailure({ kind: "bad-answer", message: "expected UTF-8, found other bytes" })
  }
}

function checkLine(line: string): string {
  if (line.length <= MOST_LINE) return line
  throw tooLong(`a line of more than ${MOST_LINE} characters`)
}

function tooLong(what: string): ExpertFailure {
  return new ExpertFailure({ kind: "bad-answer", message: `expected an answer within bounds, found ${what}` })
}
