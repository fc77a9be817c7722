import { Elysia } from "elysia"

/** GET /metrics, in Prometheus' text format. */
export const metrics = ({ metrics: figures }: { readonly metrics: { text(): Promise<string> } }) =>
  new Elysia().get(
    "/metrics",
    async () =>
      new Response(await figures.text(), { headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" } }),
  )
