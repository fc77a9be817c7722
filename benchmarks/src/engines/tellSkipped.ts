/** Says once, where it stays to be read, why an engine that was asked for does not run; nothing where there is no obstacle. */
export function tellSkipped(name: string, obstacle: string | undefined): void {
  if (obstacle !== undefined) console.error(`\n  ${name} is skipped: ${obstacle}`)
}
