/** Returns the rest of a path as its client meant it; as it stands where it is no valid encoding, so that it names nothing. */
export function decodePath(rest: string): string {
  try {
    return decodeURIComponent(rest)
  } catch {
    return rest
  }
}
