import { UsageError } from "../Command.ts"

export interface PostOptions {
  readonly apiKey: string | undefined
  readonly body: object
  readonly signal: AbortSignal
}

/** Posts JSON to a running service, and returns what it streams. @throws UsageError (rejects) with the service's words */
export async function postTo(
  url: string,
  { apiKey, body, signal }: PostOptions,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const response = await fetch(url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
    },
    body: JSON.stringify(body),
    signal,
  }).catch((error: Error) => {
    throw new UsageError(`${url}: no service answers there (${error.message})`)
  })
  if (response.ok && response.body !== null) return response.body
  throw new UsageError(`${url} answered ${response.status}: ${wordsOf(await response.text())}`)
}

const MOST_WORDS = 500

/** What an error's body says; a proxy's may be a page. */
function wordsOf(body: string): string {
  try {
    return (JSON.parse(body) as { readonly error: { readonly message: string } }).error.message
  } catch {
    return body.slice(0, MOST_WORDS)
  }
}
