import { expect, test } from "bun:test"
import { plainLine, plainText } from "./plainText.ts"

const EVIL = "a\u001B[2K\u001B]52;c;eA==\u0007\r\u202Eb\u009B1A"

test("plainText: nothing moves the cursor, sets the clipboard or turns text round; lines and words stay", () => {
  expect(plainText(`${EVIL}\n\tc 汉字 👩‍⚕️ é`)).toBe("a[2K]52;c;eA==b1A\n\tc 汉字 👩‍⚕️ é")
})

test("plainLine: the same on one line, so that nothing looks like a line of its own", () => {
  expect(plainLine(`  ${EVIL}?\npay(1)? [y/N]`)).toBe("  a[2K]52;c;eA==b1A? pay(1)? [y/N]")
})
