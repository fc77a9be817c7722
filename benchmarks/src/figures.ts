const PEER = ["--peers", "node-llama-cpp"]
/** All weights in 4 bits, as the peers have them. */
const ALL_INT4 = ["--format", "int4", "--dense", "int4"]

/**
 * The runs behind the README's figures, as arguments of `bun run bench`, in the order that `bun run bench figures` takes them.
 *
 * Each needs nothing but a clone and the package registry; short ones come first.
 */
export const FIGURES: readonly (readonly string[])[] = [
  ["start"],
  ["engine"],
  ["engine", "--backend", "onnx"],
  ["streams"],
  ["serve"],
  ["lifecycle"],
  ["paging"],
  ["balance"],
  ["scale"],
  ["kernels"],
  ["layer"],
  ["sparse"],
  ["engine", "--shape", "olmoe-1b-7b", ...ALL_INT4, ...PEER],
  ["engine", "--shape", "qwen3-30b-a3b", ...ALL_INT4, ...PEER],
  ["streams", "--shape", "qwen3-30b-a3b,num_hidden_layers=3", ...ALL_INT4],
  ["paged"],
  ["soak"],
]
