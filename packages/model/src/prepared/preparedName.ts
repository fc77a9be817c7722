/**
 * Returns what a name in the cache directory says, or undefined where it is none of ours.
 *
 * A cache directory may be anyone's folder: what has another name is never listed and never removed.
 *
 * @returns `partialOf`: the process that writes it, of a model that is not whole yet
 */
export function preparedName(name: string): { readonly partialOf: number | undefined } | undefined {
  const match = /^.+-[0-9a-f]{16}-(?:f32|int8|int4|int4-dense-int4)(?:\.partial-(\d+)-\w+)?$/.exec(name)
  if (match === null) return undefined
  return { partialOf: match[1] === undefined ? undefined : Number(match[1]) }
}
