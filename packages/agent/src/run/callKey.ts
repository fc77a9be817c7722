/** Returns the same text for calls of the same tool with the same arguments, in whatever order they stand. */
export function callKey(tool: string, args: unknown): string {
  return `${tool} ${JSON.stringify(args, sorted)}`
}

function sorted(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
}
