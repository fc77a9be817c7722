import { expect, test } from "bun:test"
import { Effect } from "effect"
import { fleetHealth } from "./fleetHealth.ts"

const NEVER = Number.MAX_SAFE_INTEGER
type Breaker = { readonly state: "closed" | "open" | "half-open"; readonly nextProbeMs: number | undefined }

async function statusOf(...breakers: Breaker[]): Promise<number> {
  const fleet = { state: Effect.succeed(breakers.map((breaker) => ({ breaker }))) }
  return (await fleetHealth({ fleet }).handle(new Request("http://localhost/health"))).status
}

test("fleet health: up while anybody may be asked, a probe that is due among them; down while everyone cools down", async () => {
  const cooling: Breaker = { state: "open", nextProbeMs: NEVER }
  expect(await statusOf(cooling, { state: "closed", nextProbeMs: undefined })).toBe(200)
  expect(await statusOf(cooling, { state: "half-open", nextProbeMs: undefined })).toBe(200)
  expect(await statusOf(cooling, cooling)).toBe(503)
  // Whoever waits for a 200 before it sends requests would otherwise never send the one that is the probe.
  expect(await statusOf(cooling, { state: "open", nextProbeMs: 1 })).toBe(200)
})
