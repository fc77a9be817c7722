import { afterAll, describe, expect, test } from "bun:test"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type ChatTemplate, loadChatTemplate, TextError } from "./index.ts"

const root = mkdtempSync(join(tmpdir(), "consilium-template-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let numDirs = 0

function load(files: Readonly<Record<string, unknown>>): ChatTemplate | undefined {
  const dir = join(root, String(numDirs++))
  mkdirSync(dir)
  for (const [name, content] of Object.entries(files))
    writeFileSync(join(dir, name), typeof content === "string" ? content : JSON.stringify(content))
  return loadChatTemplate(dir)
}
const inConfig = (template: unknown): ChatTemplate => load({ "tokenizer_config.json": { chat_template: template } })!

const messages = [{ role: "user", content: "hi" }]

describe("loadChatTemplate", () => {
  test("chat_template.jinja counts before chat_template.json, and both before tokenizer_config.json", () => {
    const config = { chat_template: "config", bos_token: { content: "<s>" } }
    const json = { chat_template: "json" }
    const files = {
      "tokenizer_config.json": config,
      "chat_template.json": json,
      "chat_template.jinja": "{{ bos_token }}jinja",
    }
    expect(load(files)!.render(messages, [])).toBe("<s>jinja")
    expect(load({ "tokenizer_config.json": config, "chat_template.json": json })!.render(messages, [])).toBe("json")
    expect(load({ "tokenizer_config.json": config })!.render(messages, [])).toBe("config")
    expect(load({})).toBeUndefined()
  })

  test("of named templates tool_use serves tools, default the rest", () => {
    const named = [
      { name: "default", template: "plain" },
      { name: "tool_use", template: "<tool_call>{{ tools | length }}" },
    ]
    const template = inConfig(named)
    expect(template.hasTools).toBe(true)
    expect(template.render(messages, [])).toBe("plain")
    expect(template.render(messages, [{}])).toBe("<tool_call>1")
    expect(inConfig(named.slice(0, 1)).hasTools).toBe(false)
    expect(inConfig([]) as ChatTemplate | undefined).toBeUndefined()
  })

  test("JSON is written as transformers writes it: keys in order, spaces after separators, no character escaped", () => {
    const tool = { name: "f", b: [1, null, true, 'Köln 我 "<&>'], a: {} }
    expect(inConfig("{{ tools[0] | tojson }}").render(messages, [tool])).toBe(
      '{"name": "f", "b": [1, null, true, "Köln 我 \\"<&>"], "a": {}}',
    )
  })

  test("a template that cannot be parsed is refused at once, one that fails says why", () => {
    for (const text of ["{% if %}", "{{ a", "{% for x in %}{% endfor %}", "{% endif %}"]) {
      expect(() => inConfig(text), text).toThrow(TextError)
    }
    const failing = ["{{ raise_exception('roles must alternate') }}", "{{ unknown_function() }}", "{{ 'a' | unheard }}"]
    for (const text of failing) expect(() => inConfig(text).render(messages, []), text).toThrow(TextError)
    expect(() => inConfig(failing[0]).render(messages, [])).toThrow("roles must alternate")
  })
})
