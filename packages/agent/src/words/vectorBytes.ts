/** Returns a vector as it is kept in a file: float32, little-endian. */
export function vectorBytes(vector: Float32Array): Uint8Array {
  return new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength)
}

/** Reads a vector of a file; a copy, so that it is aligned. */
export function readVector(bytes: Uint8Array): Float32Array {
  return new Float32Array(bytes.slice().buffer)
}
