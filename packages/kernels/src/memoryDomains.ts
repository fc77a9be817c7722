import { readFileSync } from "node:fs"

/** For each memory domain the NUMA node that its segments are bound to, undefined where to none. */
export type MemoryDomains = readonly (number | undefined)[]

/**
 * Returns the memory domains of this machine: one for each NUMA node with memory that this process may use; a single one, bound to nothing, where there is one node or
 * none is known.
 *
 * @param wanted so many instead: more than nodes take turns on them, and differ by their segments alone where there is one node; fewer are bound to none
 */
export function findMemoryDomains(wanted?: number, nodes: readonly number[] = readMemoryNodes()): MemoryDomains {
  const count = wanted ?? Math.max(1, nodes.length)
  const isBound = nodes.length > 1 && count >= nodes.length
  return Array.from({ length: count }, (_, domain) => (isBound ? nodes[domain % nodes.length] : undefined))
}

/** Returns the NUMA nodes with memory that this process may use; none where the system does not say. */
function readMemoryNodes(): readonly number[] {
  try {
    const present = parseNodeList(readFileSync("/sys/devices/system/node/has_memory", "utf8"))
    const [, allowed] = /^Mems_allowed_list:(.*)$/m.exec(readFileSync("/proc/self/status", "utf8")) ?? []
    const usable = allowed === undefined ? present : parseNodeList(allowed)
    return present.filter((node) => usable.includes(node))
  } catch {
    return []
  }
}

/** Returns the numbers of a list as Linux writes it: `0-1,4`. */
export function parseNodeList(text: string): number[] {
  return text
    .trim()
    .split(",")
    .filter(Boolean)
    .flatMap((range) => {
      const [first, last = first] = range.split("-").map(Number) as [number, number?]
      return Array.from({ length: last - first + 1 }, (_, i) => first + i)
    })
}
