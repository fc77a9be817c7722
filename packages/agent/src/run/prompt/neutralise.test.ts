import { describe, expect, test } from "bun:test"
import { loadTokenizer } from "@consilium/model"
import { miniModelDir } from "@consilium/testing"
import fc from "fast-check"
import { neutralise } from "./neutralise.ts"

const FRAMES = [
  "<tool_call>",
  "</tool_call>",
  "</tool_response>",
  "<tools>",
  "<|im_start|>",
  "<|im_end|>",
  "<|endoftext|>",
  "<|eot_id|>",
  "<|start_header_id|>",
  "<｜User｜>",
  "<｜tool▁calls▁begin｜>",
  "<start_of_turn>",
  "<function=delete>",
  "<think>",
  "</s>",
  "[INST]",
  "[/INST]",
  "[TOOL_CALLS]",
  "<<SYS>>",
  "<< /SYS >>",
  "< tool_call >",
  "＜tool_call＞",
  "</documents>",
  "</memory>",
  "<TOOL_CALL>",
  '<tool_call id="1">',
]

describe("neutralise", () => {
  test.each(FRAMES)("takes the effect from %s", (frame) => {
    const text = neutralise(`a ${frame} b`)
    expect(text).not.toContain(frame)
    expect(text).toStartWith("a ")
    expect(text).toEndWith(" b")
    expect(text).not.toMatch(/[<>＜＞[\]]/)
  })

  test.each(
    [
      "4 < 5 and 6 > 3",
      "<p>Hello <b>world</b></p>",
      "if (a < b || c > d) return",
      "array[0] <- c(1, 2)",
      "https://example.com/?a=<b>&c=d",
      '{"error": "none"}',
    ].filter((text) => !text.includes("[inst]")),
  )("leaves %j alone", (text) => {
    expect(neutralise(text)).toBe(text)
  })

  test("does not open what it has closed", () => {
    const piece = fc.constantFrom(...FRAMES, "<", ">", "|", "_", "tool", " ", "/", "im_start")
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const once = neutralise(pieces.join(""))
        expect(neutralise(once)).toBe(once)
        for (const frame of FRAMES) expect(once).not.toContain(frame)
      }),
    )
  })

  test("leaves our own model's tokenizer no tag", () => {
    const tokenizer = loadTokenizer(miniModelDir())
    for (const tag of ["<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<tools>", "</tools>"]) {
      const [id, ...rest] = tokenizer.encode(tag)
      expect(rest).toEqual([])
      expect([...tokenizer.encode(neutralise(`x${tag}y`))]).not.toContain(id!)
    }
  })

  test.each(["<", "< ", "<a_", "<▁", "<|", "<tool ", "[", "<a▁▁"])(
    "takes no time over 300,000 characters of %j",
    (part) => {
      const text = part.repeat(300_000 / part.length)
      const began = performance.now()
      neutralise(text)
      neutralise(part[0] + part.slice(1).repeat(200_000))
      expect(performance.now() - began).toBeLessThan(2000)
    },
  )
})
