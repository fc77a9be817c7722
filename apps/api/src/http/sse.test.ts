import { describe, expect, test } from "bun:test"
import { Effect } from "effect"
import { ApiError, asApiError } from "./ApiError.ts"
import { runForRequest, sseResponse } from "./sse.ts"

const decoder = new TextDecoder()
const failure = new ApiError({ status: 418, type: "teapot", message: "no coffee" })
const options = { signal: new AbortController().signal, headers: () => ({ "x-request-id": "r" }) }
/** Something that writes when it is told to, until it is told the end. */
function createSource() {
  let write: (text: string) => void = () => {}
  let end: (effect: Effect.Effect<void, ApiError>) => void = () => {}
  let isInterrupted = false
  const started = Promise.withResolvers<void>()
  return {
    started: started.promise,
    write: (text: string) => write(text),
    end: (effect: Effect.Effect<void, ApiError> = Effect.void) => end(effect),
    get isInterrupted() {
      return isInterrupted
    },
    produce: (to: (text: string) => void) =>
      Effect.callback<void, ApiError>((resume) => {
        write = to
        end = resume
        started.resolve()
        return Effect.sync(() => {
          isInterrupted = true
        })
      }),
  }
}

describe("sseResponse", () => {
  test("passes texts on as they come, and ends with [DONE]", async () => {
    const source = createSource()
    const responding = sseResponse(source.produce, options)
    source.write("data: 1\n\n")
    const response = await responding
    expect([response.status, response.headers.get("content-type"), response.headers.get("x-request-id")]).toEqual([
      200,
      "text/event-stream; charset=utf-8",
      "r",
    ])
    const reader = response.body!.getReader()
    expect(decoder.decode((await reader.read()).value)).toBe("data: 1\n\n")
    source.write("data: 我\n\n")
    expect(decoder.decode((await reader.read()).value)).toBe("data: 我\n\n")
    source.end()
    expect(decoder.decode((await reader.read()).value)).toBe("data: [DONE]\n\n")
    expect((await reader.read()).done).toBe(true)
  })

  test("keeps what comes while nobody reads, in one piece and in order", async () => {
    const source = createSource()
    const responding = sseResponse(source.produce, options)
    source.write("0\n")
    const reader = (await responding).body!.getReader()
    for (let i = 1; i < 1000; i++) source.write(`${i}\n`)
    const first = decoder.decode((await reader.read()).value)
    const second = decoder.decode((await reader.read()).value)
    const all = Array.from({ length: 1000 }, (_, i) => `${i}\n`).join("")
    expect(first + second).toBe(all)
    source.end()
    expect(decoder.decode((await reader.read()).value)).toBe("data: [DONE]\n\n")
  })

  test("a failure before the first text is thrown, a later one is an event", async () => {
    const early = createSource()
    const refused = sseResponse(early.produce, options)
    await early.started
    early.end(Effect.fail(failure))
    expect(await refused.catch((error: unknown) => error)).toBe(failure)

    const late = createSource()
    const responding = sseResponse(late.produce, options)
    late.write("data: 1\n\n")
    const response = await responding
    late.end(Effect.fail(failure))
    expect(await response.text()).toBe(
      'data: 1\n\ndata: {"error":{"message":"no coffee","type":"teapot","param":null,"code":null}}\n\n',
    )
  })

  test("a client that leaves interrupts what it asked for; writing on is harmless", async () => {
    for (const leave of ["body", "signal"] as const) {
      const source = createSource()
      const aborting = new AbortController()
      const responding = sseResponse(source.produce, { ...options, signal: aborting.signal })
      source.write("data: 1\n\n")
      const response = await responding
      if (leave === "body") await response.body!.cancel()
      else aborting.abort()
      await new Promise((resolve) => setImmediate(resolve))
      expect(source.isInterrupted, leave).toBe(true)
      source.write("data: 2\n\n")
    }
  })
})

test("runForRequest: a client that leaves is no failure of the service", async () => {
  const leaving = new AbortController()
  const running = runForRequest(Effect.never, leaving.signal)
  leaving.abort()
  expect(await running.catch((error: unknown) => asApiError(error).status)).toBe(499)
})

test("sseResponse: a client that leaves before the first text is no failure of the service", async () => {
  const leaving = new AbortController()
  const answering = sseResponse(() => Effect.never, { signal: leaving.signal, headers: () => ({}) })
  leaving.abort()
  expect(await answering.catch((error: unknown) => asApiError(error).status)).toBe(499)
})
