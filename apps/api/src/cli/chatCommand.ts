import { GREEDY } from "@consilium/model"
import { type ChatMessage, complete, type CompletionDeps, Engine, loadModelText } from "@consilium/serving"
import { Effect, ManagedRuntime } from "effect"
import { createInterface } from "node:readline/promises"
import type { Command } from "./Command.ts"
import { engineStart } from "./engineStart.ts"
import { locateModel, prepare } from "./openModel.ts"
import { parseCommandLine } from "./parseCommandLine.ts"
import { remoteAnswer } from "./remoteAnswer.ts"

/** Answers a conversation, telling its text as it comes. */
type Answer = (messages: readonly ChatMessage[], say: (text: string) => void, signal: AbortSignal) => Promise<void>

export const chatCommand: Command = {
  name: "chat",
  summary: "talks with a model in the terminal",
  usage: "[settings] [--system TEXT] [--url URL]",
  options:
    "  --system TEXT  instructions for the model\n" +
    "  --url URL      talks to a running service (http://127.0.0.1:8080) instead of starting an engine\n" +
    "  /exit or Ctrl-D ends the conversation, /new begins another, Ctrl-C interrupts an answer.",
  example: 'consilium chat --system "You are Consilium Mini, a helpful assistant."',
  async run(args) {
    const { settings, own } = parseCommandLine(args, ["system", "url"])
    const system = own.system?.at(-1)
    const url = own.url?.at(-1)
    const opening: ChatMessage[] = system === undefined ? [] : [{ role: "system", content: system }]
    if (url !== undefined) {
      await converse(opening, (messages, say, signal) => remoteAnswer(url, settings["api-key"], messages, say, signal))
      return 0
    }
    const model = await locateModel(settings.model, settings["cache-dir"])
    const prepared = await prepare(model, settings)
    const text = loadModelText(model.dir)
    const start = { ...engineStart(model, prepared.dir, settings), numSlots: 1 }
    const runtime = ManagedRuntime.make(Engine.layer({ start, maxQueue: 1 }))
    try {
      const engine = await runtime.runPromise(Engine.use(Effect.succeed))
      await runtime.runPromise(engine.ready)
      console.error(`${model.modelId}, ${settings.format}. /exit ends.`)
      await converse(opening, (messages, say, signal) => localAnswer({ engine, text }, messages, say, signal))
      return 0
    } finally {
      await runtime.dispose()
    }
  },
}

async function converse(opening: readonly ChatMessage[], answer: Answer): Promise<void> {
  const isTerminal = process.stdin.isTTY === true
  const lines = createInterface({
    input: process.stdin,
    ...(isTerminal ? { output: process.stdout } : {}),
    prompt: "> ",
  })
  let answering: AbortController | undefined
  lines.on("SIGINT", () => (answering === undefined ? lines.close() : answering.abort()))
  let messages = [...opening]
  if (isTerminal) lines.prompt()
  for await (const line of lines) {
    const said = line.trim()
    if (said === "/exit") break
    if (said === "/new") messages = [...opening]
    else if (said !== "") {
      answering = new AbortController()
      messages.push({ role: "user", content: said })
      let reply = ""
      await answer(
        messages,
        (piece) => {
          reply += piece
          process.stdout.write(piece)
        },
        answering.signal,
      ).catch((error: Error) => {
        if (answering?.signal.aborted !== true) console.error(error.message)
      })
      process.stdout.write("\n")
      answering = undefined
      messages.push({ role: "assistant", content: reply })
    }
    if (isTerminal) lines.prompt()
  }
  lines.close()
}

async function localAnswer(
  deps: CompletionDeps,
  messages: readonly ChatMessage[],
  say: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const telling = complete(
    {
      requestId: crypto.randomUUID(),
      prompt: { kind: "chat", messages, tools: [] },
      numChoices: 1,
      sampling: GREEDY,
      seed: 0,
      maxTokens: undefined,
      stop: [],
      numTopLogProbs: undefined,
      trace: false,
    },
    deps,
    (event) => {
      if (event.type === "text") say(event.text)
    },
  )
  await Effect.runPromise(telling, { signal })
}
