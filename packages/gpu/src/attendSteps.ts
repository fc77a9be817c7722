/**
 * What attention does with one block of positions, as pieces of WGSL: scores, softmax, weighed values.
 *
 * What is declared in a loop is given its zero there: Tint's SPIR-V zeroes what has none once a call, not once a turn.
 */
import type { CacheFormat } from "@consilium/kernels"
import { type AttendKind, type AttendShape, BLOCK, LANES, PARTS, THREADS } from "./AttendKind.ts"
import { loadKeyCode, loadValueCode } from "./cacheCode.ts"

/**
 * `weights[key][query]` = scale · q·k, `LOWEST` where it is not seen. A thread takes a key and half of the queries.
 *
 * Keys and queries pass through shared memory, so that neighbouring threads read neighbouring words.
 */
export function scoresCode(
  { tile, chunk }: AttendShape,
  vector: AttendKind["vector"],
  cacheFormat: CacheFormat,
): string {
  const numOwn = tile / 2
  const components = vector === 1 ? [""] : [".x", ".y", ".z", ".w"].slice(0, vector)
  return `let key = thread % ${BLOCK}u;
    let first_own = (thread / ${BLOCK}u) * ${numOwn}u;
    var scores = array<f32, ${numOwn}>();
    for (var c = 0u; c < shape.numVectors; c += ${chunk}u) {
      workgroupBarrier();
      for (var i = thread; i < ${BLOCK * chunk}u; i += ${THREADS}u) {
        let position = min(block + i / ${chunk}u, last_position);
        let at = min(c + i % ${chunk}u, shape.numVectors - 1u);
        ${loadKeyCode(cacheFormat)}
        piece[i + i / ${chunk}u] = select(V(), k, c + i % ${chunk}u < shape.numVectors);
      }
      for (var i = thread; i < ${tile * chunk}u; i += ${THREADS}u) {
        let query = min(first_query + i / ${chunk}u, last_query);
        let row = (slot.firstRow + query / heads_per_key) * (shape.numHeads + 2u * shape.numKvHeads);
        let head = row + kv_head * heads_per_key + query % heads_per_key;
        let at = c + i % ${chunk}u;
        let q = qkv[head * shape.numVectors + min(at, shape.numVectors - 1u)];
        piece_queries[i] = select(V(), q, at < shape.numVectors);
      }
      workgroupBarrier();
      for (var j = 0u; j < ${chunk}u; j++) {
        let k = piece[key * ${chunk + 1}u + j];
        for (var r = 0u; r < ${numOwn}u; r++) {
          let q = piece_queries[(first_own + r) * ${chunk}u + j];
          ${components.map((at) => `scores[r] = fma(q${at}, k${at}, scores[r]);`).join(" ")}
        }
      }
    }
    for (var r = 0u; r < ${numOwn}u; r++) {
      let own_query = min(first_query + first_own + r, last_query);
      let is_own_seen = is_seen(block + key, slot.pastLength + own_query / heads_per_key);
      weights[key * ${tile + 1}u + first_own + r] = select(LOWEST, scores[r] * bitcast<f32>(shape.scale), is_own_seen);
    }`
}

/** `weights` = exp(score - the query's largest), `UNSEEN` where it is not seen; the block's sums are merged into `running`. */
export function softmaxCode({ tile }: AttendShape): string {
  const weight = `weights[k * ${tile + 1}u + query]`
  return `workgroupBarrier();
    let query = thread / ${LANES}u;
    let is_query = query < ${tile}u;
    var largest = LOWEST;
    if (is_query) {
      for (var k = thread % ${LANES}u; k < ${BLOCK}u; k += ${LANES}u) { largest = max(largest, ${weight}); }
      lanes[thread] = largest;
    }
    workgroupBarrier();
    if (is_query) {
      for (var lane = 0u; lane < ${LANES}u; lane++) { largest = max(largest, lanes[query * ${LANES}u + lane]); }
    }
    workgroupBarrier();
    if (is_query) {
      var sum = 0.0;
      for (var k = thread % ${LANES}u; k < ${BLOCK}u; k += ${LANES}u) {
        let score = ${weight};
        var weight = UNSEEN;
        if (bitcast<u32>(score) != bitcast<u32>(LOWEST)) {
          weight = exp(score - largest);
          sum += weight;
        }
        ${weight} = weight;
      }
      lanes[thread] = sum;
    }
    workgroupBarrier();
    if (is_query && thread % ${LANES}u == 0u) {
      var sum = lanes[thread];
      for (var lane = 1u; lane < ${LANES}u; lane++) { sum += lanes[thread + lane]; }
      running[query] = merged(running[query].xy, largest, sum);
    }
    workgroupBarrier();`
}

/**
 * `block_sum` of a thread's queries = Σ weight · value of its column, in the threads of part 0. A block's four parts are summed each by itself, then in order.
 *
 * Where the tile's rows see different positions, what a row does not see is left out: there may be a NaN.
 */
export function valuesCode({ tile, numParts, numQueries }: AttendShape, cacheFormat: CacheFormat): string {
  return `let sees_all = first_position == last_position ||
      (block >= first_seen(last_position) && block + ${BLOCK - 1}u <= first_position);
    var block_sum = array<V, ${numQueries}>();
    for (var p = part; is_active && p < ${PARTS}u; p += ${numParts}u) {
      var part_sum = array<V, ${numQueries}>();
      let end = min(last_position + 1u, block + (p + 1u) * ${BLOCK / PARTS}u);
      for (var position = max(begin, block + p * ${BLOCK / PARTS}u); position < end; position++) {
        ${loadValueCode(cacheFormat)}
        for (var r = 0u; r < ${numQueries}u; r++) {
          let w = weights[(position - block) * ${tile + 1}u + first + r];
          if (sees_all || bitcast<u32>(w) != bitcast<u32>(UNSEEN)) { part_sum[r] = fma(V(w), v, part_sum[r]); }
        }
      }
      for (var r = 0u; r < ${numQueries}u; r++) { block_sum[r] += part_sum[r]; }
    }
    ${numParts === 1 ? "" : sumPartsCode(numQueries)}`
}

/** The parts pass through the keys' shared memory, one after the other. */
function sumPartsCode(numQueries: number): string {
  const share = "piece[(first + r) * shape.numVectors + column]"
  return `for (var p = 1u; p < ${PARTS}u; p++) {
      workgroupBarrier();
      if (is_active && part == p) {
        for (var r = 0u; r < ${numQueries}u; r++) { ${share} = block_sum[r]; }
      }
      workgroupBarrier();
      if (is_active && part == 0u) {
        for (var r = 0u; r < ${numQueries}u; r++) { block_sum[r] += ${share}; }
      }
    }`
}
