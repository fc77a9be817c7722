/** What moves a terminal's cursor, names its window, fills its clipboard, or shows text in another order than it has. */
const CONTROLS = /[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

/** Returns text without what a terminal would obey: what tools found, and models repeat, is shown and no more. */
export function plainText(text: string): string {
  return text.replaceAll(CONTROLS, (char) => (char === "\n" || char === "\t" ? char : ""))
}

/** The same on one line. */
export const plainLine = (text: string): string => plainText(text).replaceAll(/[\n\t]/g, " ")
