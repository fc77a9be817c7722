import { readFileSync } from "node:fs"
import { join } from "node:path"

const PARTS = ["noun", "verb", "adj", "adv"]
/** Shorter examples are hardly texts. */
const FEWEST_WORDS = 4

/**
 * Reads WordNet's definitions, each behind the words that it defines (`car, auto: a motor vehicle`), and its example sentences.
 *
 * @param dictDir with `data.noun` and its like
 * @param isKnown of definitions only those of such words are read
 */
export function readWordNet(dictDir: string, isKnown: (word: string) => boolean): readonly string[] {
  return PARTS.flatMap((part) =>
    readFileSync(join(dictDir, `data.${part}`), "utf8")
      .split("\n")
      .filter((line) => /^\d{8} /.test(line))
      .flatMap((line) => textsOf(line, isKnown)),
  )
}

function textsOf(line: string, isKnown: (word: string) => boolean): string[] {
  const [data, gloss] = line.split(" | ") as [string, string]
  const fields = data.split(" ")
  const words = Array.from({ length: Number.parseInt(fields[3]!, 16) }, (_, i) =>
    fields[4 + 2 * i]!.replace(/\(\w+\)$/, "").replaceAll("_", " "),
  )
  const [definition, ...quoted] = gloss.trim().split(/; (?=")/) as [string, ...string[]]
  const examples = quoted.map((example) => example.replaceAll('"', "").trim())
  return [
    ...(words.some((word) => isKnown(word.toLowerCase())) ? [`${words.join(", ")}: ${definition.trim()}`] : []),
    ...examples.filter((example) => example.split(" ").length >= FEWEST_WORDS),
  ]
}
