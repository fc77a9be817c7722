import { createRandom } from "@consilium/tensor"
import { BANK } from "./bankHandbook.ts"
import { CHINESE } from "./chineseHandbook.ts"
import { CLINIC } from "./clinicHandbook.ts"
import type { Handbook } from "./Handbook.ts"
import { SHOP } from "./shopHandbook.ts"

/** One thing's page, a section for each topic. */
interface HandbookPage {
  readonly name: string
  readonly text: string
}

/** What somebody asks, and the one section that answers it. */
export interface HandbookQuestion {
  readonly text: string
  readonly document: string
  readonly title: string
  readonly kind: "same words" | "other words" | "Chinese, same words" | "Chinese, other words"
}

const HANDBOOKS: readonly Handbook[] = [BANK, SHOP, CLINIC, CHINESE]

/**
 * Writes the handbooks of a bank, a shop, a hospital and a Chinese shop: 380 pages with 5,060 sections in all, of which those of one topic differ in name,
 * figures and one of two wordings; and asks about them, each phrasing for `numThings` things.
 */
export function createHandbooks(
  seed: number,
  numThings: number,
): { readonly pages: readonly HandbookPage[]; readonly questions: readonly HandbookQuestion[] } {
  const random = createRandom(seed)
  const pages: HandbookPage[] = []
  const questions: HandbookQuestion[] = []
  for (const handbook of HANDBOOKS) {
    const { folder, first, second, between, topics } = handbook
    const names = first.flatMap((one) => second.map((other) => `${one}${between}${other}`))
    const fileOf = (name: string): string => `${folder}/${name.toLowerCase().replaceAll(" ", "-")}.md`
    for (const name of names) {
      const sections = topics.map(({ title, passages }) => {
        const passage = passages[Math.floor(random() * passages.length)]!
        return `## ${title}\n\n${fill(passage, name, random)}\n`
      })
      pages.push({ name: fileOf(name), text: [`# ${name}\n`, ...sections].join("\n") })
    }
    for (const { title, asked, reworded } of topics)
      for (const [words, phrasings] of [
        ["same words", asked],
        ["other words", reworded],
      ] as const)
        for (const phrasing of phrasings)
          for (let i = 0; i < numThings; i++) {
            const name = names[Math.floor(random() * names.length)]!
            const kind = handbook === CHINESE ? (`Chinese, ${words}` as const) : words
            questions.push({ text: phrasing.replaceAll("{name}", name), document: fileOf(name), title, kind })
          }
  }
  return { pages, questions }
}

function fill(passage: string, name: string, random: () => number): string {
  const upTo = (most: number): number => 1 + Math.floor(random() * most)
  const values: Readonly<Record<string, string>> = {
    name,
    amount: String(upTo(99)),
    days: String(1 + upTo(19)),
    limit: String(50 * upTo(60)),
    percent: `${upTo(9)}.${upTo(9)}`,
    phone: `0800 ${100 + upTo(899)} ${1000 + upTo(8999)}`,
  }
  return passage.replaceAll(/\{(\w+)\}/g, (_, key: string) => values[key]!)
}
