import { afterAll, expect, test } from "bun:test"
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { openKnowledgeBase } from "./openKnowledgeBase.ts"

const dir = mkdtempSync(join(tmpdir(), "consilium-knowledge-"))
afterAll(() => rmSync(dir, { recursive: true }))

const CARDS = {
  name: "cards.md",
  text: "# Cards\n## Lost cards\nBlock the card in the app.\n## Fees\nA refund of fees takes three days.",
}
const SHOP = { name: "shop.txt", text: "Returned kettles are refunded.\n\n退货后三天内退款到账。" }

/** Knows a few matters and nothing else. */
const MATTERS = [/card|plastic/i, /refund|money back/i, /kettle|boiler/i]
function createEmbedder(own = 1, matters: readonly RegExp[] = MATTERS) {
  const asked: string[] = []
  let isUp = true
  return {
    asked,
    fail: () => (isUp = false),
    embed: async (texts: readonly string[]): Promise<Float32Array[]> => {
      if (!isUp) throw new Error("down")
      asked.push(...texts)
      return texts.map((text) => Float32Array.of(own, 1, ...matters.map((matter) => Number(matter.test(text)))))
    },
  }
}

test("knowledge: words are found in any form, English and Chinese, headings count, documents are named", async () => {
  const knowledge = openKnowledgeBase(":memory:")
  await knowledge.add(CARDS)
  await knowledge.add(SHOP)
  expect(knowledge.numPassages).toBe(3)
  const [lost] = await knowledge.search("I have LOST my cards!", 1)
  expect(lost).toMatchObject({
    document: "cards.md",
    headings: ["Cards", "Lost cards"],
    text: "Block the card in the app.",
  })
  expect((await knowledge.search("refunding a kettle", 5)).map(({ document }) => document)).toEqual([
    "shop.txt",
    "cards.md",
  ])
  expect((await knowledge.search("什么时候退款", 5)).map(({ document }) => document)).toEqual(["shop.txt"])
  for (const nothing of ["", "???", "zebra", '" OR NEAR( *', "what is the"])
    expect(await knowledge.search(nothing, 5)).toEqual([])
  const scores = (await knowledge.search("refund card fees", 5)).map(({ score }) => score)
  expect(scores).toEqual([...scores].sort((a, b) => b - a))
  knowledge.close()
})

test("knowledge: an unchanged document is not indexed again, a changed one is replaced, a removed one is gone, after a restart too", async () => {
  const path = join(dir, "restart.db")
  const embedder = createEmbedder()
  const first = openKnowledgeBase(path, { embedder })
  expect(await first.add(CARDS)).toBe(true)
  const numAsked = embedder.asked.length
  expect(await first.add(CARDS)).toBe(false)
  expect(embedder.asked.length).toBe(numAsked)
  first.close()
  const knowledge = openKnowledgeBase(path, { embedder })
  expect(await knowledge.add(CARDS)).toBe(false)
  expect(await knowledge.add({ ...CARDS, text: "# Cards\nCut the plastic in two." })).toBe(true)
  expect((await knowledge.search("card", 5)).map(({ text }) => text)).toEqual(["Cut the plastic in two."])
  expect(knowledge.remove("cards.md")).toBe(true)
  expect(knowledge.remove("cards.md")).toBe(false)
  expect(await knowledge.search("card", 5)).toEqual([])
  expect(knowledge.numPassages).toBe(0)
  knowledge.close()
})

test("knowledge: with an embedder passages are found by meaning; where it fails, by words", async () => {
  const embedder = createEmbedder()
  const knowledge = openKnowledgeBase(":memory:", { embedder })
  await knowledge.add(CARDS)
  await knowledge.add(SHOP)
  expect((await knowledge.search("my plastic", 1))[0]!.headings).toEqual(["Cards", "Lost cards"])
  expect((await knowledge.search("boiler", 1))[0]!.document).toBe("shop.txt")
  embedder.fail()
  expect(await knowledge.search("boiler", 1)).toEqual([])
  expect((await knowledge.search("kettle", 1))[0]!.document).toBe("shop.txt")
  expect(knowledge.add({ name: "new.md", text: "News." })).rejects.toThrow("down")
  expect(knowledge.numPassages).toBe(3)
  knowledge.close()
})

test("knowledge: vectors of another embedder do not count, and are made anew with the next document", async () => {
  const path = join(dir, "embedders.db")
  const plain = openKnowledgeBase(path)
  await plain.add(SHOP)
  plain.close()
  for (const [own, matters] of [
    [1, MATTERS],
    [2, MATTERS],
    [2, [/x/, ...MATTERS]],
  ] as const) {
    const knowledge = openKnowledgeBase(path, { embedder: createEmbedder(own, matters) })
    expect(await knowledge.search("boiler", 1)).toEqual([])
    await knowledge.add(SHOP)
    expect((await knowledge.search("boiler", 1))[0]!.document).toBe("shop.txt")
    knowledge.close()
  }
})

test("knowledge: one handle finds what another has added", async () => {
  const path = join(dir, "handles.db")
  const one = openKnowledgeBase(path, { embedder: createEmbedder() })
  const other = openKnowledgeBase(path, { embedder: createEmbedder() })
  await one.add(CARDS)
  expect((await other.search("plastic", 1))[0]!.document).toBe("cards.md")
  await one.add(SHOP)
  expect((await other.search("boiler", 1))[0]!.document).toBe("shop.txt")
  one.close()
  other.close()
})

test("knowledge: a folder's texts are added, changed ones again, vanished ones removed, and nothing outside of it", async () => {
  const folder = join(dir, "house")
  mkdirSync(join(folder, "desk"), { recursive: true })
  writeFileSync(join(dir, "secret.md"), "The vault opens at nine.")
  symlinkSync(join(dir, "secret.md"), join(folder, "link.md"))
  symlinkSync(dir, join(folder, "up"))
  writeFileSync(join(folder, "desk/cards.md"), CARDS.text)
  writeFileSync(join(folder, "shop.txt"), SHOP.text)
  writeFileSync(join(folder, "photo.png"), "x")
  writeFileSync(join(folder, "big.txt"), "x".repeat(5 * 2 ** 20))
  writeFileSync(join(folder, ".hidden.md"), "vault")
  const knowledge = openKnowledgeBase(":memory:")
  await knowledge.add({ name: "own.md", text: "A vault of our own." })
  expect(await knowledge.addFolder(folder)).toEqual({
    numAdded: 2,
    numUnchanged: 0,
    numRemoved: 0,
    skipped: [
      { name: "big.txt", why: "larger than 4 MiB" },
      { name: "link.md", why: "a link" },
      { name: "photo.png", why: "neither .md nor .txt" },
      { name: "up", why: "a link" },
    ],
  })
  expect((await knowledge.search("the vault", 5)).map(({ document }) => document)).toEqual(["own.md"])
  expect((await knowledge.search("lost card", 1))[0]!.document).toBe("desk/cards.md")
  writeFileSync(join(folder, "shop.txt"), "Closed.")
  rmSync(join(folder, "desk"), { recursive: true })
  expect(await knowledge.addFolder(folder)).toMatchObject({ numAdded: 1, numUnchanged: 0, numRemoved: 1 })
  expect(await knowledge.search("kettle card", 5)).toEqual([])
  expect(knowledge.addFolder(join(dir, "absent"))).rejects.toThrow("expected a folder of documents, found ENOENT")
  knowledge.close()
})

test("knowledge: a file alone is a folder of itself, beside others of its folder", async () => {
  const folder = join(dir, "single")
  mkdirSync(folder)
  for (const [name, text] of [
    ["a.md", "The otter swims."],
    ["b.txt", "The walrus sleeps."],
    ["c.md", "The lynx hunts."],
  ] as const)
    writeFileSync(join(folder, name), text)
  const knowledge = openKnowledgeBase(":memory:")
  for (const name of ["a.md", "b.txt", "a.md"]) await knowledge.addFolder(join(folder, name))
  const found = await knowledge.search("otter walrus lynx", 5)
  expect(found.map(({ document }) => document).toSorted()).toEqual(["a.md", "b.txt"])
  knowledge.close()
})

test("knowledge: documents of one name in two folders, and one handed in, stand beside each other", async () => {
  const knowledge = openKnowledgeBase(":memory:")
  for (const [i, text] of ["The otter swims.", "The walrus sleeps."].entries()) {
    mkdirSync(join(dir, `folder ${i}`))
    writeFileSync(join(dir, `folder ${i}/faq.md`), text)
    await knowledge.addFolder(join(dir, `folder ${i}`))
  }
  await knowledge.add({ name: "faq.md", text: "The lynx hunts." })
  expect((await knowledge.search("otter walrus lynx", 5)).map(({ text }) => text).sort()).toEqual([
    "The lynx hunts.",
    "The otter swims.",
    "The walrus sleeps.",
  ])
  expect(await knowledge.addFolder(join(dir, "folder 0"))).toMatchObject({
    numAdded: 0,
    numUnchanged: 1,
    numRemoved: 0,
  })
  rmSync(join(dir, "folder 0/faq.md"))
  expect(await knowledge.addFolder(join(dir, "folder 0"))).toMatchObject({ numRemoved: 1 })
  expect(await knowledge.search("otter", 5)).toEqual([])
  expect(knowledge.remove("faq.md")).toBe(true)
  expect((await knowledge.search("walrus lynx", 5)).map(({ text }) => text)).toEqual(["The walrus sleeps."])
  knowledge.close()
})

test("knowledge: a file that is none says so", () => {
  const path = join(dir, "noise.db")
  writeFileSync(path, "noise ".repeat(500))
  expect(() => openKnowledgeBase(path)).toThrow("expected a knowledge file, found something else, or a damaged one")
})

test("knowledge: of what an embedder knows nothing, which is the vector 0, words alone decide", async () => {
  const knows = (text: string): boolean => /[a-z]/.test(text)
  const embed = async (texts: readonly string[]): Promise<Float32Array[]> =>
    texts.map((text) => Float32Array.of(Number(knows(text)), Number(/card/i.test(text)), 0))
  const knowledge = openKnowledgeBase(":memory:", { embedder: { embed } })
  await knowledge.add(CARDS)
  await knowledge.add({ name: "cn.txt", text: "退货后三天内退款到账。" })
  expect((await knowledge.search("什么时候退款", 5)).map(({ document }) => document)).toEqual(["cn.txt"])
  expect(await knowledge.search("???", 5)).toEqual([])
  knowledge.close()
})
