/** Returns a response whose body fails once it is larger than `maxBytes`. */
export function boundBody(response: Response, maxBytes: number): Response {
  if (response.body === null || maxBytes === Infinity) return response
  let numBytes = 0
  const bound = new TransformStream<Uint8Array, Uint8Array>({
    transform: (chunk, controller) => {
      numBytes += chunk.byteLength
      if (numBytes > maxBytes) controller.error(new Error(`the response is larger than ${maxBytes} bytes`))
      else controller.enqueue(chunk)
    },
  })
  const { status, statusText, headers } = response
  return new Response(response.body.pipeThrough(bound), { status, statusText, headers })
}
