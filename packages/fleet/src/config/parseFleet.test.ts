import { describe, expect, test } from "bun:test"
import { fleetOf } from "../../test/fleetOf.ts"

const REMOTE = 'kind = "remote"\nurl = "https://api.example.com/v1/"\nmodel = "m"'
const expert = (lines: string): string => `[fleet.experts.a]\n${lines}`

describe("parseFleet", () => {
  test("reads an expert with everything, and fills in the usual", () => {
    const { experts, deadlineMs, breaker } = fleetOf(
      'deadline = "2m"\ntimeout = "20s"\n[fleet.breaker]\nmax-failures = 5\n' +
        expert(
          `${REMOTE}\nkey-env = "A_KEY"\nrole = "strong"\nprice = { input = 2.5, output = 10 }\n` +
            'limits = { concurrency = 8 }\nmodalities = ["text", "image"]\nrules = { keywords = ["VaR"], pattern = "basel (ii|iii)" }',
        ) +
        '\n[fleet.experts.b]\nkind = "local"\nmodel = "consilium-mini"\nmemory = "512MiB"\ngeneralist = true',
    )
    expect([deadlineMs, breaker.maxFailures, breaker.firstBackoffMs]).toEqual([120_000, 5, 1000])
    expect(experts[0]).toMatchObject({
      kind: "remote",
      name: "a",
      url: "https://api.example.com/v1",
      keyEnv: "A_KEY",
      role: "strong",
      price: { inputUsdPerMillion: 2.5, cachedUsdPerMillion: 2.5, outputUsdPerMillion: 10 },
      limits: { concurrency: 8, requestsPerMinute: Number.POSITIVE_INFINITY },
      modalities: ["text", "image"],
      timeoutMs: 20_000,
      isGeneralist: false,
    })
    expect(experts[0]!.rules).toEqual({ keywords: ["VaR"], pattern: "basel (ii|iii)" })
    expect(experts[1]).toMatchObject({ kind: "local", format: undefined, memoryBytes: 2 ** 29, timeoutMs: 120_000 })
  })

  test("an ONNX model of text answers like any other; one of images looks", () => {
    const text = 'kind = "onnx"\nmodel = "m.onnx"\nmodalities = ["text"]\nmemory = "1GiB"\ngeneralist = true'
    const { experts } = fleetOf(`${expert(text)}\n[fleet.experts.eye]\nkind = "onnx"`)
    expect(experts[0]).toMatchObject({ kind: "onnx-text", model: "m.onnx", memoryBytes: 2 ** 30, timeoutMs: 120_000 })
    expect(experts[1]).toMatchObject({ kind: "onnx", modalities: ["image"] })
  })

  test("nobody is consulted unasked unless the table says so", () => {
    const two = `${expert(REMOTE)}\n[fleet.experts.b]\n${REMOTE}`
    expect(fleetOf(two).consult).toBeUndefined()
    expect(fleetOf(`consult = {}\n${two}`).consult).toEqual({ kind: "synthesis", numExperts: 3, from: 0.6 })
    const given = 'consult = { kind = "best-of", experts = 2, from = 0.5 }'
    expect(fleetOf(`${given}\n${two}`).consult).toEqual({ kind: "best-of", numExperts: 2, from: 0.5 })
  })

  test("reads an embedder of each kind, and fills in the usual", () => {
    const embedderOf = (lines: string) => fleetOf(`[fleet.embedder]\n${lines}\n${expert(REMOTE)}`).embedder
    expect(fleetOf(expert(REMOTE)).embedder).toBeUndefined()
    const usual = { task: "", timeoutMs: 1000 }
    expect(embedderOf('kind = "local"')).toEqual({ ...usual, kind: "local", model: "consilium-mini", format: "int8" })
    const onnx = 'kind = "onnx"\nmodel = "m.onnx"\ntask = "query: "\ntimeout = "50ms"'
    expect(embedderOf(onnx)).toEqual({ kind: "onnx", model: "m.onnx", task: "query: ", timeoutMs: 50 })
    const url = "https://api.example.com/v1"
    const remote = `kind = "remote"\nurl = "${url}/"\nmodel = "m"\nsize = 384\nkey-env = "KEY"`
    expect(embedderOf(remote)).toEqual({ ...usual, kind: "remote", url, model: "m", size: 384, keyEnv: "KEY" })
  })

  test.each([
    ["[fleet.embedder]\n" + expert(REMOTE), "fleet.embedder.kind: expected one of local, onnx, remote, found nothing"],
    ['[fleet.embedder]\nkind = "onnx"\n' + expert(REMOTE), "fleet.embedder.model: expected some text, found nothing"],
    [
      `[fleet.embedder]\n${REMOTE}\n${expert(REMOTE)}`,
      "fleet.embedder.size: expected the length of the model's vectors",
    ],
    ['[fleet.embedder]\nkind = "local"\nsize = 3\n' + expert(REMOTE), "fleet.embedder.size: there is no such key"],
    ["", "consilium.toml: fleet.experts: expected tables [fleet.experts.<name>], found nothing"],
    ["deadlines = 3\n" + expert(REMOTE), "consilium.toml: fleet.deadlines: there is no such key: expected one of"],
    ["deadline = 30\n" + expert(REMOTE), 'fleet.deadline: expected a time such as "30s" or "2m", found 30'],
    [`consult = {}\n${expert(REMOTE)}`, "fleet.consult: expected two experts that answer or more, found 1"],
    [`consult = true\n${expert(REMOTE)}`, "fleet.consult: expected a table, found true"],
    [`consult = { kind = "chat" }\n${expert(REMOTE)}`, "fleet.consult.kind: expected one of best-of, vote, synthesis"],
    [`consult = { experts = 5 }\n${expert(REMOTE)}`, "fleet.consult.experts: expected a number from 2 to 4, found 5"],
    [`consult = { from = 60 }\n${expert(REMOTE)}`, "fleet.consult.from: expected a number from 0 to 1, found 60"],
    [`consult = { form = 0.6 }\n${expert(REMOTE)}`, "fleet.consult.form: there is no such key"],
    [expert('kind = "far"'), 'fleet.experts.a.kind: expected one of local, remote, onnx, found "far"'],
    [expert(REMOTE.replace("https:", "ftp:")), "fleet.experts.a.url: expected an address"],
    [expert(REMOTE.replace("api", "me:secret@api")), "fleet.experts.a.url: expected an address"],
    [expert(`${REMOTE}\nkey = "sk-123"`), "fleet.experts.a.key: there is no such key"],
    [expert(`${REMOTE}\nkey-env = "sk-123"`), "fleet.experts.a.key-env: expected the name of an environment variable"],
    [expert(`${REMOTE}\nprice = { inputs = 1 }`), "fleet.experts.a.price.inputs: there is no such key"],
    [expert(`${REMOTE}\nlimits = { concurrency = 0 }`), "fleet.experts.a.limits.concurrency: expected a number from 1"],
    [expert(`${REMOTE}\nstandby = "a"`), "fleet.experts.a.standby: expected another expert that answers"],
    [
      expert(`${REMOTE}\nrules = { pattern = "(" }`),
      'fleet.experts.a.rules: pattern "(": expected a regular expression',
    ],
    [expert(`${REMOTE}\nrules = { pattern = "(a)\\\\1" }`), "expected no back-reference"],
    [expert(`${REMOTE}\nrules = {}`), "fleet.experts.a.rules: expected a condition, found none"],
    [expert(`${REMOTE}\nmodalities = ["smell"]`), "fleet.experts.a.modalities: expected a list of text, image"],
    [expert(`${REMOTE}\nformat = "int8"`), "fleet.experts.a.format: there is no such key"],
    [expert('kind = "local"\nmodel = "x"\nmodalities = ["image"]'), "our engine reads text"],
    [`[fleet.experts.auto]\n${REMOTE}`, "fleet.experts.auto: expected a name of letters"],
    [`[fleet.experts."a b"]\n${REMOTE}`, "fleet.experts.a b: expected a name of letters"],
    [expert('kind = "onnx"'), "expected an expert that answers"],
    [expert('kind = "onnx"\nmodel = "x.onnx"'), "fleet.experts.a.labels: expected the labels of the model"],
    [expert('kind = "onnx"\nmodalities = ["text"]'), "fleet.experts.a.model: expected some text, found nothing"],
    [
      expert('kind = "onnx"\nmodel = "m.onnx"\nmodalities = ["text", "image"]'),
      'fleet.experts.a.modalities: expected only "text", or only "image"',
    ],
    [
      expert('kind = "onnx"\nmodel = "m.onnx"\nmodalities = ["text"]\nlabels = ["a"]'),
      "fleet.experts.a.labels: there is no such key",
    ],
    [
      expert(`${REMOTE}\ngeneralist = true`) +
        expert(`${REMOTE}\ngeneralist = true`).replace(".a]", ".b]").replace("[", "\n["),
      "expected at most one generalist",
    ],
  ])("%j is refused: %s", (toml, message) => {
    expect(() => fleetOf(toml)).toThrow(message)
  })
})
