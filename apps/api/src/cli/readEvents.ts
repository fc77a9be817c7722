/** Reads the data of server-sent events, one after the other; comments are passed over. */
export async function* readEvents(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let pending = ""
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    pending += text
    const lines = pending.split("\n")
    pending = lines.pop()!
    for (const line of lines) if (line.startsWith("data: ")) yield line.slice("data: ".length)
  }
}
