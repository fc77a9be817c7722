import type { Subprocess } from "bun"
import { join } from "node:path"

/** A service started for a measurement. */
export interface Service {
  readonly url: string
  stop(): Promise<void>
}

/** What one streamed answer took. */
export interface StreamTiming {
  readonly firstTokenMs: number
  readonly totalMs: number
  readonly numTokens: number
}

/** Starts the API app on a free port and waits until it is healthy. @throws Error with the service's last words if it ends */
export async function startService(
  root: string,
  { args = [], env = {} }: { args?: readonly string[]; env?: Readonly<Record<string, string>> },
): Promise<Service> {
  const port = freePort()
  const process_ = Bun.spawn(
    [process.execPath, join(root, "apps/api/src/main.ts"), "serve", "--port", String(port), ...args],
    { cwd: root, env: { ...process.env, ...env }, stdio: ["ignore", "ignore", "pipe"] },
  )
  const url = `http://127.0.0.1:${port}`
  await waitUntilHealthy(url, process_)
  return {
    url,
    async stop() {
      process_.kill("SIGTERM")
      await process_.exited
    },
  }
}

/** Waits for 200 from `/health`, asking every 5 ms. */
export async function waitUntilHealthy(url: string, service: Subprocess<"ignore", "ignore", "pipe">): Promise<void> {
  for (;;) {
    if (service.exitCode !== null) {
      throw new Error(`the service ended with code ${service.exitCode}: ${await new Response(service.stderr).text()}`)
    }
    const response = await fetch(`${url}/health`).catch(() => undefined)
    if (response?.status === 200) return
    await Bun.sleep(5)
  }
}

/** Streams one greedy completion and takes its times. */
export async function timeStream(url: string, prompt: string, maxTokens: number): Promise<StreamTiming> {
  const started = performance.now()
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      model: "default",
      messages: [{ role: "user", content: prompt }],
      max_tokens: maxTokens,
      temperature: 0,
      stream: true,
      stream_options: { include_usage: true },
    }),
  })
  if (!response.ok || response.body === null) throw new Error(`${response.status}: ${await response.text()}`)

  let firstTokenMs = Number.NaN
  let numTokens = 0
  const decoder = new TextDecoder()
  let pending = ""
  for await (const bytes of response.body) {
    pending += decoder.decode(bytes, { stream: true })
    const lines = pending.split("\n")
    pending = lines.pop()!
    for (const line of lines) {
      if (!line.startsWith("data: {")) continue
      const chunk = JSON.parse(line.slice(6)) as {
        choices?: { delta?: { content?: string } }[]
        usage?: { completion_tokens: number }
        error?: { message: string }
      }
      if (chunk.error !== undefined) throw new Error(chunk.error.message)
      if (Number.isNaN(firstTokenMs) && chunk.choices?.[0]?.delta?.content) firstTokenMs = performance.now() - started
      numTokens = chunk.usage?.completion_tokens ?? numTokens
    }
  }
  return { firstTokenMs, totalMs: performance.now() - started, numTokens }
}

export function freePort(): number {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() })
  const { port } = server
  server.stop(true)
  return port!
}
