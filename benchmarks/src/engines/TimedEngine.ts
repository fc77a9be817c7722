/**
 * An engine under measurement, with one model loaded: ours or a rival's.
 *
 * Token ids are given, nothing is sampled: what is timed is the step, logits of the last token included. Each runs in a process of its
 * own and takes its times there, so that asking costs nothing and memory is its own.
 */
export interface TimedEngine {
  /** Forgets every sequence, then has `numStreams` of them read a prompt of `promptLength` tokens and make one step together. */
  begin(numStreams: number, promptLength: number): Promise<Beginning>
  /** Makes `numSteps` steps of one token for each stream, where the last one ended. */
  step(numSteps: number): Promise<Steps>
  memory(): Promise<MemoryUse>
}

interface Beginning {
  /** Of one stream's prompt, its last logits included; the other streams get a copy of its state. */
  readonly prefillMs: number
  /** Of the step after it. With several streams it may have the copying in it. */
  readonly firstStepMs: number
  /** Tokens of the prompt that each expert saw, one row a layer; undefined where the engine does not tell. */
  readonly tokensPerExpert?: readonly (readonly number[])[]
}

interface Steps {
  /** Of each step. */
  readonly ms: readonly number[]
  /** Bytes of weights that each step read, each expert that any stream chose counted once; undefined where the engine does not tell. */
  readonly weightBytes?: readonly number[]
}

export interface MemoryUse {
  readonly residentBytes: number
  /** Of the weights as they are stored: nothing can serve them with less. */
  readonly weightBytes: number
}

/** Returns id `position` of a stream: spread over the vocabulary, so that routing is spread too. Prompts are those of stream 0. */
export function tokenId(stream: number, position: number, vocabSize: number): number {
  return ((position + 1) * 7919 + stream * 104_729) % vocabSize
}
