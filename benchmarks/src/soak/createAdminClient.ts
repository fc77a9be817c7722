/** The admin routes of a service that was started for a measurement. */
export interface AdminClient {
  /** @throws Error in the service's words where it refuses */
  post(path: string, body: unknown): Promise<void>
  /** Returns what a route says, asked again until the engine is there. @throws Error in the service's words where it refuses, or the engine does not come */
  read(path: string): Promise<unknown>
  /** Waits until the engine is in a phase. */
  untilPhase(phase: string): Promise<void>
}

/** An engine is started anew in less, also where others want the machine. */
const MOST_WAIT_MS = 60_000

export function createAdminClient(url: string): AdminClient {
  const base = `${url}/admin/models/default`
  const read = async (path: string): Promise<unknown> => {
    for (const until = performance.now() + MOST_WAIT_MS; ;) {
      const response = await fetch(`${base}/${path}`)
      if (response.ok) return response.json()
      if (response.status < 500 || performance.now() > until)
        throw new Error(`${path}: status ${response.status}: ${(await response.text()).slice(0, 500)}`)
      await Bun.sleep(20)
    }
  }
  return {
    read,
    async post(path, body) {
      const response = await fetch(`${base}/${path}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      })
      if (!response.ok) throw new Error(`${path}: ${(await response.text()).slice(0, 500)}`)
    },
    async untilPhase(wanted) {
      for (;;) {
        const { phase } = (await read("status")) as { readonly phase: string }
        if (phase === wanted) return
        await Bun.sleep(20)
      }
    },
  }
}
