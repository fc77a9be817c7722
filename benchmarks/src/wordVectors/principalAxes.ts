/** Turns of the iteration: the axes that matter are found long before. */
const NUM_TURNS = 25

/**
 * Returns the directions in which vectors differ most, orthogonal and of length 1, by subspace iteration on their covariance.
 *
 * @param vectors `[N, size]`, their mean taken off
 */
export function principalAxes(
  vectors: Float32Array,
  size: number,
  numAxes: number,
  random: () => number,
): readonly Float64Array[] {
  const covariance = covarianceOf(vectors, size)
  let axes = Array.from({ length: numAxes }, () => Float64Array.from({ length: size }, () => random() - 0.5))
  orthonormalise(axes)
  for (let turn = 0; turn < NUM_TURNS; turn++) {
    axes = axes.map((axis) => covariance.map((row) => dot(row, axis))).map((axis) => Float64Array.from(axis))
    orthonormalise(axes)
  }
  return axes
}

/** Returns the parts of vectors along axes: `[N, axes]`. */
export function project(vectors: Float32Array, size: number, axes: readonly Float64Array[]): Float32Array {
  const numAxes = axes.length
  const parts = new Float32Array((vectors.length / size) * numAxes)
  for (let at = 0, to = 0; at < vectors.length; at += size) {
    const vector = vectors.subarray(at, at + size)
    for (const axis of axes) parts[to++] = dot(axis, vector)
  }
  return parts
}

function covarianceOf(vectors: Float32Array, size: number): Float64Array[] {
  const rows = Array.from({ length: size }, () => new Float64Array(size))
  for (let at = 0; at < vectors.length; at += size)
    for (let i = 0; i < size; i++) {
      const row = rows[i]!
      const value = vectors[at + i]!
      for (let j = 0; j < size; j++) row[j]! += value * vectors[at + j]!
    }
  return rows
}

/** Gram–Schmidt, in place. */
function orthonormalise(axes: readonly Float64Array[]): void {
  for (const [a, axis] of axes.entries()) {
    for (const earlier of axes.slice(0, a)) {
      const shared = dot(axis, earlier)
      for (let i = 0; i < axis.length; i++) axis[i]! -= shared * earlier[i]!
    }
    const norm = Math.sqrt(dot(axis, axis))
    for (let i = 0; i < axis.length; i++) axis[i]! /= norm
  }
}

function dot(a: Float64Array, b: Float64Array | Float32Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}
