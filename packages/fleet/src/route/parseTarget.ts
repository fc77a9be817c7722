/** Whom a request's `model` names: the router's choice, the router's choice between strong and cheap, or one expert. */
export type RouteTarget =
  | { readonly kind: "auto"; readonly consults: boolean }
  /** `share` of the requests go to the strong expert. */
  | { readonly kind: "share"; readonly share: number }
  | { readonly kind: "expert"; readonly name: string }

/** Reads `auto`, `auto:0.3`, `auto:consult` or an expert's name; undefined where it is none. `default` is `auto`. */
export function parseTarget(model: string, experts: readonly string[]): RouteTarget | undefined {
  if (model === "auto" || model === "default") return { kind: "auto", consults: false }
  if (model === "auto:consult") return { kind: "auto", consults: true }
  const share = /^auto:(0?\.\d{1,9}|[01](?:\.0{1,9})?)$/.exec(model)?.[1]
  if (share !== undefined) return { kind: "share", share: Number(share) }
  return experts.includes(model) ? { kind: "expert", name: model } : undefined
}

/** Returns the target as a client writes it. */
export function targetText(target: RouteTarget): string {
  switch (target.kind) {
    case "auto":
      return target.consults ? "auto:consult" : "auto"
    case "share":
      return `auto:${target.share}`
    case "expert":
      return target.name
  }
}
