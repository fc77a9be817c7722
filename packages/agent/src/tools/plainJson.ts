/**
 * Writes a flat object as JSON with a space after commas and colons, as the results of tools in the mini model's training.
 *
 * Fields that are undefined are left out.
 */
export function plainJson(fields: Readonly<Record<string, string | number | undefined>>): string {
  const pairs = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : [`${JSON.stringify(name)}: ${JSON.stringify(value)}`],
  )
  return `{${pairs.join(", ")}}`
}
