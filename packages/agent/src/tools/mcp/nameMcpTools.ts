const MOST_LENGTH = 64

/**
 * Returns a name for each of a server's tools, in their order: the server's name before it, 1 to 64 letters, digits, `_` or `-`.
 *
 * Names that become equal so are numbered.
 */
export function nameMcpTools(server: string, tools: readonly string[]): readonly string[] {
  const taken = new Set<string>()
  return tools.map((tool) => {
    const plain = `${server}_${tool}`.replaceAll(/[^A-Za-z0-9_-]/g, "_")
    let name = plain.slice(0, MOST_LENGTH)
    for (let number = 2; taken.has(name); number++) {
      name = `${plain.slice(0, MOST_LENGTH - `_${number}`.length)}_${number}`
    }
    taken.add(name)
    return name
  })
}
