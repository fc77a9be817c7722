import { startFakePeer } from "@consilium/testing/peer"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { startService } from "../startService.ts"
import type { SuiteOptions } from "../Suite.ts"

/** Milliseconds of one request each, taken in turns. */
export interface Overhead {
  readonly directMs: readonly number[]
  readonly fleetMs: readonly number[]
}

const WARM_UP = 200
const WORDS = ["risk", "slogan", "card", "invoice", "holiday"]
const ANSWER = {
  object: "chat.completion",
  choices: [{ index: 0, message: { role: "assistant", content: "A short answer." }, finish_reason: "stop" }],
  usage: { prompt_tokens: 9, completion_tokens: 4 },
}

/**
 * Asks a remote expert that answers at once, directly and through a fleet of five that routes to it by words.
 *
 * @throws Error on an answer that is another than the expert's
 */
export async function measureOverhead(
  { modelDir: _modelDir, ...options }: SuiteOptions,
  numRequests: number,
): Promise<Overhead> {
  const peer = startFakePeer({ kind: "whole", body: ANSWER })
  const dir = mkdtempSync(join(tmpdir(), "consilium-fleet-overhead-"))
  try {
    const experts = WORDS.map(
      (word) =>
        `[fleet.experts.${word}]\nkind = "remote"\nurl = "${peer.url}"\nmodel = "m"\ndescription = "all about a ${word}"`,
    )
    writeFileSync(join(dir, "consilium.toml"), ["[fleet]", ...experts].join("\n"))
    const service = await startService(options, [], dir)
    try {
      const directMs: number[] = []
      const fleetMs: number[] = []
      for (let i = -WARM_UP; i < numRequests && !options.signal.aborted; i++) {
        const direct = await timeRequest(peer.url)
        const routed = await timeRequest(`${service.url}/v1`)
        if (i < 0) continue
        directMs.push(direct)
        fleetMs.push(routed)
      }
      return { directMs, fleetMs }
    } finally {
      await service.stop()
    }
  } finally {
    peer.stop()
    rmSync(dir, { recursive: true, force: true })
  }
}

async function timeRequest(url: string): Promise<number> {
  const body = JSON.stringify({
    model: "auto",
    messages: [{ role: "user", content: "I have a question about my invoice." }],
  })
  const began = performance.now()
  const response = await fetch(`${url}/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  })
  const { choices } = (await response.json()) as typeof ANSWER
  const ms = performance.now() - began
  if (choices[0]!.message.content !== ANSWER.choices[0]!.message.content)
    throw new Error("expected the expert's answer, found another")
  return ms
}
