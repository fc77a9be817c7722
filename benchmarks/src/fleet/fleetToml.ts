/** Of the soak's fleet. */
export const DEADLINE_MS = 6000
export const BREAKER = { maxFailures: 3, firstBackoffMs: 1000, mostBackoffMs: 4000 }
export const LOCALS = ["desk", "near", "rare"] as const
export const REMOTES = ["risk", "copy"] as const
/** Of each local expert's engine. */
const ENGINE_MIB = 384
/** Two engines' worth: the third local expert always has another sleep for it. */
export const MEMORY_MIB = 2 * ENGINE_MIB + 100

/** Returns the settings of three local and two remote experts, each with a standby or the generalist behind it. */
export function fleetToml(modelDir: string, urls: Readonly<Record<(typeof REMOTES)[number], string>>): string {
  const local = (name: string, extra: string): string =>
    `[fleet.experts.${name}]\nkind = "local"\nmodel = ${JSON.stringify(modelDir)}\nmemory = "${ENGINE_MIB}MiB"\n${extra}`
  const remote = (name: keyof typeof urls, extra: string): string =>
    `[fleet.experts.${name}]\nkind = "remote"\nurl = "${urls[name]}"\nmodel = "m"\ntimeout = "500ms"\nprice = { input = 1, output = 2 }\n${extra}`
  return [
    `[fleet]\ndeadline = "${DEADLINE_MS}ms"`,
    `[fleet.breaker]\nmax-failures = ${BREAKER.maxFailures}\nfirst-backoff = "${BREAKER.firstBackoffMs}ms"\nmost-backoff = "${BREAKER.mostBackoffMs}ms"`,
    local("desk", 'generalist = true\nrole = "cheap"\ndomain = "bank cards"'),
    local("near", 'domain = "opening hours"'),
    local("rare", 'domain = "archives"'),
    remote("risk", 'standby = "near"\nrole = "strong"\nrules = { keywords = ["risk"] }'),
    remote("copy", 'standby = "risk"\nrules = { keywords = ["slogan"] }'),
  ].join("\n\n")
}
