/** Runs each snippet of the packages' READMEs that prints, and compares with the comment behind its `console.log`. */
import { expect, test } from "bun:test"
import { Glob } from "bun"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"

const root = join(import.meta.dir, "..")
const SNIPPET = /^```ts\n([\s\S]*?)^```$/gm
const PRINTED = /^console\.log\(.*\) \/\/ (.*)$/gm

/** Values alone: no spaces, no names of typed arrays, four decimals. */
function plainly(text: string): string {
  const values = text.replaceAll(/\w+Array\(\d+\) /g, "").replaceAll(/\s+/g, "")
  return values.replaceAll(/\d+\.\d+/g, (number) => String(Number(Number(number).toFixed(4))))
}

for (const readme of [...new Glob("packages/*/README.md").scanSync(root)].sort()) {
  const snippets = [...readFileSync(join(root, readme), "utf8").matchAll(SNIPPET)].map(([, code]) => code!)
  for (const [index, code] of snippets.entries()) {
    const printed = [...code.matchAll(PRINTED)].map(([, comment]) => comment!)
    if (!code.includes("console.log(")) continue
    test(`${readme}: snippet ${index + 1} prints what it says`, () => {
      expect(printed.length, "console.log(…) // output, on one line").toBe(code.split("console.log(").length - 1)
      // Inside the package, so that its dependencies are found, and itself by its own name.
      const file = join(root, dirname(readme), "dist", `readme-${process.pid}-${index}.ts`)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, code)
      try {
        const { stdout, stderr } = Bun.spawnSync([process.execPath, file], { cwd: root })
        expect(stderr.toString()).toBe("")
        expect(plainly(stdout.toString())).toBe(plainly(printed.join("\n")))
      } finally {
        rmSync(file)
      }
    })
  }
}
