/** What operators see of load-aware routing, through the real service. */
import { expect, test } from "bun:test"
import { freePort, withService } from "./startService.ts"

interface Report {
  readonly experts: readonly { readonly timeShare: number }[]
  readonly residency: {
    readonly routing: string
    readonly imbalance: number
    readonly plainImbalance: number
    readonly drift: { readonly kl: number; readonly moved: number }
  }
}

test("balanced routing by settings: experts and metrics show what it gains, what it costs, and where the time goes", async () => {
  const adminPort = String(freePort())
  const flags = ["--routing", "balanced", "--bias-rate", "0", "--router-noise", "1", "--capacity-factor", "1.1"]
  await withService([...flags, "--admin-port", adminPort], async ({ url }) => {
    const body = JSON.stringify({ model: "default", prompt: "I lost my credit card. ".repeat(20), max_tokens: 40 })
    const answer = await fetch(`${url}/v1/completions`, { method: "POST", body })
    expect(answer.status).toBe(200)

    const report = (await (await fetch(`http://127.0.0.1:${adminPort}/admin/models/default/experts`)).json()) as Report
    const { routing, imbalance, plainImbalance, drift } = report.residency
    expect(routing).toBe("balanced")
    expect(imbalance).toBeLessThan(plainImbalance)
    expect([drift.kl > 0, drift.moved > 0]).toEqual([true, true])
    expect(report.experts.some(({ timeShare }) => timeShare > 0)).toBe(true)

    const metrics = await (await fetch(`${url}/metrics`)).text()
    const value = (name: string): number => Number(new RegExp(`^consilium_${name} (\\S+)$`, "m").exec(metrics)?.[1])
    expect(value("expert_imbalance")).toBeLessThan(value("expert_plain_imbalance"))
    expect([value("routing_drift_kl") > 0, value("routing_moved_ratio") > 0]).toEqual([true, true])
    expect(metrics).toMatch(/^consilium_expert_time_ratio\{layer="\d+",expert="\d+"\} \d/m)
    expect(metrics).toMatch(/^consilium_expert_time_ratio\{layer="rest",expert="rest"\} \d/m)
  })
}, 60_000)
