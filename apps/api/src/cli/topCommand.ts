import type { ControlResult, EngineState, ExpertChange } from "@consilium/serving"
import { setTimeout } from "node:timers/promises"
import { type Command, UsageError } from "./Command.ts"
import { parseCommandLine } from "./parseCommandLine.ts"
import { readEvents } from "./readEvents.ts"
import { renderTop, type TopView } from "./top/renderTop.ts"

const FRAME_MS = 1000
const MOST_CHANGES = 50
const [ENTER, LEAVE, HOME, CLEAR_LINE, CLEAR_BELOW] = [
  "\u001b[?1049h\u001b[?25l",
  "\u001b[?25h\u001b[?1049l",
  "\u001b[H",
  "\u001b[K",
  "\u001b[J",
]

/** A running service's experts, live in the terminal; a single frame where there is none. */
export const topCommand: Command = {
  name: "top",
  summary: "shows a running service's experts, live",
  usage: "[--url URL] [--admin-key KEY] [--model EXPERT]",
  options:
    "  --url URL  the service's admin listener; http://127.0.0.1:<--admin-port> unless given\n" +
    "  --model    of a fleet, the local expert to show; not needed where there is one only\n" +
    "  q or Ctrl-C ends it. Where there is no terminal, one frame is printed.",
  example: "consilium top --url http://127.0.0.1:8081",
  async run(args) {
    const { settings, own, hasFlag } = parseCommandLine(args, ["url"])
    const url = own.url?.at(-1) ?? `http://127.0.0.1:${settings["admin-port"] ?? 8081}`
    const source = createSource(url, hasFlag("model") ? settings.model : "default", settings["admin-key"])
    if (!process.stdout.isTTY || !process.stdin.isTTY) {
      console.log(renderTop(await source.view(), { columns: 100, rows: 60 }).join("\n"))
      return 0
    }
    await showFrames(source)
    return 0
  },
}

interface Source {
  view(): Promise<TopView>
  /** Follows changes until the signal says otherwise. */
  follow(signal: AbortSignal): Promise<void>
}

function createSource(url: string, model: string, adminKey: string | undefined): Source {
  const base = `${url.replace(/\/$/, "")}/admin/models/${encodeURIComponent(model)}`
  const headers = adminKey === undefined ? {} : { authorization: `Bearer ${adminKey}` }
  const changes: ExpertChange[] = []
  let before: { readonly atMs: number; readonly numTokens: number } | undefined

  const read = async <T>(path: string): Promise<T | undefined> => {
    const response = await fetch(`${base}/${path}`, { headers }).catch((error: Error) => {
      throw new UsageError(`${url}: no service answers there (${error.message})`)
    })
    if (response.status === 401) throw new UsageError(`${url}: the admin key is not valid`)
    return response.ok ? ((await response.json()) as T) : undefined
  }
  /** Tokens a second since the last view. */
  const rateOf = (state: EngineState): number | undefined => {
    if (state.phase !== "ready") return undefined
    const now = { atMs: performance.now(), numTokens: state.status.numTokens }
    const since = before
    before = now
    if (since === undefined || now.numTokens < since.numTokens) return undefined
    return ((now.numTokens - since.numTokens) / (now.atMs - since.atMs)) * 1000
  }

  return {
    async view() {
      const state = (await read<EngineState>("status")) ?? { phase: "failed", message: `${url} is no admin listener` }
      const experts =
        state.phase === "ready"
          ? await read<Extract<ControlResult, { readonly kind: "experts" }>>("experts")
          : undefined
      const modelId = state.phase === "ready" ? state.status.modelId : url
      return { modelId, state, experts, tokensPerSec: rateOf(state), changes }
    },
    async follow(signal) {
      const response = await fetch(`${base}/events`, { headers, signal })
      if (!response.ok || response.body === null) return
      for await (const data of readEvents(response.body)) {
        changes.push(JSON.parse(data) as ExpertChange)
        changes.splice(0, changes.length - MOST_CHANGES)
      }
    },
  }
}

async function showFrames(source: Source): Promise<void> {
  const { stdin, stdout } = process
  const ending = new AbortController()
  const end = (): void => ending.abort()
  stdin.setRawMode(true)
  stdin.on("data", (key) => {
    if (key.toString() === "q" || key.toString() === "\u0003") end()
  })
  process.once("SIGTERM", end)
  stdout.write(ENTER)
  // Without the stream of changes there is still all else.
  const following = source.follow(ending.signal).catch(() => {})
  try {
    while (!ending.signal.aborted) {
      const frame = renderTop(await source.view(), { columns: stdout.columns, rows: stdout.rows })
      stdout.write(HOME + frame.map((line) => `${line}${CLEAR_LINE}`).join("\n") + CLEAR_BELOW)
      await setTimeout(FRAME_MS, undefined, { signal: ending.signal }).catch(() => {})
    }
  } finally {
    end()
    await following
    stdout.write(LEAVE)
    stdin.setRawMode(false)
    stdin.pause()
  }
}
