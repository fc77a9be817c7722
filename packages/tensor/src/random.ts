/**
 * Mixes 32 bits to 32 bits, bijectively, so that neighbouring inputs share nothing.
 *
 * @see Chris Wellons, "lowbias32", https://nullprogram.com/blog/2018/07/31/
 */
export function hash32(value: number): number {
  let x = value | 0
  x ^= x >>> 16
  x = Math.imul(x, 0x7feb352d)
  x ^= x >>> 15
  x = Math.imul(x, 0x846ca68b)
  x ^= x >>> 16
  return x >>> 0
}

/**
 * Returns a generator of uniform numbers in [0, 1), multiples of 2⁻³²: Chris Doty-Humphrey's sfc32, exact in integers on every machine.
 *
 * The same seed gives the same numbers. Not for secrets.
 *
 * @see PractRand, http://pracrand.sourceforge.net
 */
export function createRandom(seed: number): () => number {
  let a = hash32(seed)
  let b = hash32(a + 1)
  let c = hash32(b + 2)
  let counter = 1
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return (sum >>> 0) / 4294967296
  }
  for (let warmUp = 0; warmUp < 12; warmUp++) next()
  return next
}

/**
 * Returns `length` seeded, nearly normal values of standard deviation `sigma`: sums of four hashed uniforms.
 *
 * A pure function of seed and index, exact in any language: golden fixtures name their weights by seed instead of storing them.
 */
export function noise(length: number, seed: number, sigma: number): Float32Array {
  const offset = Math.imul(seed, 0x9e3779b9)
  const uniform = (index: number) => (hash32(index + offset) >>> 8) / 16777216
  const factor = Math.sqrt(3) * sigma
  const values = new Float32Array(length)
  for (let i = 0; i < length; i++) {
    values[i] = (uniform(4 * i) + uniform(4 * i + 1) + uniform(4 * i + 2) + uniform(4 * i + 3) - 2) * factor
  }
  return values
}
