import { afterAll, expect, test } from "bun:test"
import { startFakeService } from "../../../test/startFakeService.ts"
import { ToolError } from "../AgentTool.ts"
import { createHttpTool, type HttpToolOptions } from "./createHttpTool.ts"

const service = startFakeService()
afterAll(service.stop)
const context = { runId: "run", userId: undefined, signal: new AbortController().signal }

function create(options: Partial<HttpToolOptions>) {
  return createHttpTool({
    name: "orders",
    description: "Looks up an order.",
    parameters: { type: "object" },
    method: "GET",
    url: `${service.url}/orders/{id}`,
    headers: {},
    body: undefined,
    key: undefined,
    changes: false,
    rules: service.rules,
    ...options,
  })
}

const asked = () => service.requests.at(-1)!

test("createHttpTool: arguments go into path and query, encoded", async () => {
  service.say(() => Response.json({ status: "shipped" }))
  const tool = create({ url: `${service.url}/orders/{id}?lang={lang}&v=1&note={note}` })
  const result = await tool.run({ id: "a/b?c=#1", lang: "zh&x=1", extra: [1, 2] }, context)
  expect(result).toEqual({ text: '{"status":"shipped"}', sources: [{ title: "orders", location: service.url }] })
  expect(asked().url.pathname + asked().url.search).toBe(
    "/orders/a%2Fb%3Fc%3D%231?lang=zh%26x%3D1&v=1&extra=%5B1%2C2%5D",
  )
})

test.each(["..", ".", ""])("createHttpTool: the argument %p does not leave its place", async (id) => {
  const numRequests = service.requests.length
  await expect(create({}).run({ id }, context)).rejects.toThrow("neither empty nor a step such as ..")
  expect(service.requests.length).toBe(numRequests)
})

test("createHttpTool: an argument of the path that is missing is a tool error", async () => {
  await expect(create({}).run({}, context)).rejects.toThrow(new ToolError('the argument "id" is missing'))
})

test("createHttpTool: what the address does not name is posted as JSON", async () => {
  service.say(() => new Response(undefined, { status: 204 }))
  const tool = create({ method: "POST", changes: true })
  expect(tool.changes).toBe(true)
  expect((await tool.run({ id: 7, note: 'say "hi"' }, context)).text).toBe("done")
  expect([asked().method, asked().url.pathname, asked().body]).toEqual(["POST", "/orders/7", '{"note":"say \\"hi\\""}'])
  expect(asked().headers.get("content-type")).toBe("application/json")
})

test("createHttpTool: a body's template takes arguments as JSON", async () => {
  service.say(() => new Response("ok"))
  const tool = create({ method: "PUT", body: '{"set": {"note": {note}, "tags": {tags}}}' })
  await tool.run({ id: 7, note: '"}, "admin": true', tags: ["a"] }, context)
  expect(JSON.parse(asked().body)).toEqual({ set: { note: '"}, "admin": true', tags: ["a"] } })
})

test("createHttpTool: a key goes out in its header and never comes back", async () => {
  const tool = create({ key: { header: "authorization", value: "Bearer s3cret" }, headers: { "x-shop": "1" } })
  service.say(
    () => new Response("you sent Bearer s3cret"),
    () => new Response("s3cret is no key", { status: 403 }),
  )
  expect((await tool.run({ id: 1 }, context)).text).toBe("you sent Bearer ***")
  expect([asked().headers.get("authorization"), asked().headers.get("x-shop")]).toEqual(["Bearer s3cret", "1"])
  await expect(tool.run({ id: 1 }, context)).rejects.toThrow(new ToolError("orders answered 403: *** is no key"))
})

test("createHttpTool: what is no text is named, not shown", async () => {
  service.say(() => new Response("\u0000", { headers: { "content-type": "image/png" } }))
  expect((await create({}).run({ id: 1 }, context)).text).toBe("(image/png, not shown)")
})

test.each([
  ["https://{host}/x", 'an argument chooses no host: take the braces out of "https://{host}"'],
  ["{url}", 'expected an http or https address, found "{url}"'],
  ["file:///etc/passwd", 'expected an http or https address, found "file:///etc/passwd"'],
])("createHttpTool: refuses the address %s", (url, message) => {
  expect(() => create({ url })).toThrow(new ToolError(message))
})

test("createHttpTool: the rules of safe requests hold", async () => {
  const rules = { ...service.rules, allowHosts: [] }
  await expect(create({ rules }).run({ id: 1 }, context)).rejects.toThrow("is not on the public internet")
})
