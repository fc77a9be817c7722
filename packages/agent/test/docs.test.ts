/** What docs/agents.md shows to users is what the parser takes. */
import { expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { parseAgents } from "../src/index.ts"

test("docs/agents.md: its settings are an agent with every kind of tool", () => {
  const text = readFileSync(join(import.meta.dir, "../../../docs/agents.md"), "utf8")
  const [, toml] = /```toml\n([\s\S]*?)```/.exec(text)!
  const [desk] = parseAgents((Bun.TOML.parse(toml!) as { agents: unknown }).agents, "docs/agents.md")
  expect(desk!.config.tools).toEqual(["calculate", "search_knowledge", "order_status", "remember"])
  expect(desk!.mcp.map(({ name, tools }) => [name, tools])).toEqual([["files", ["read_file"]]])
  expect([desk!.embedder?.kind, desk!.weather.provider, desk!.search.provider]).toEqual([
    "onnx",
    "open-meteo",
    "searxng",
  ])
})
