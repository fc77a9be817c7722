/** Returns a result that tells a model what went wrong, in the form that our own was trained with: JSON with blanks, as Python writes it. */
export function errorText(words: string, details: Readonly<Record<string, unknown>> = {}): string {
  const pairs = Object.entries({ error: words, ...details }).map(([key, value]) => `"${key}": ${JSON.stringify(value)}`)
  return `{${pairs.join(", ")}}`
}
