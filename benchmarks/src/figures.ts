/** The runs behind the README's figures, as arguments of `bun run bench`, in the order that `bun run bench figures` takes them. */
export const FIGURES: readonly (readonly string[])[] = [["start"], ["kernels"], ["layer"], ["engine"], ["streams"]]
