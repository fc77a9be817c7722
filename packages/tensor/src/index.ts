export { clampedSwiglu, sigmoid, silu, SWIGLU_SLOPE } from "./activations.ts"
export { applyRope, type RopeAngles } from "./applyRope.ts"
export { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "./halfFloats.ts"
export { matmul } from "./matmul.ts"
export { createInt4Quantizer, type Int4Quantizer } from "./createInt4Quantizer.ts"
export {
  createInt4Row,
  dequantizeInt4Row,
  importanceOf,
  INT4_BLOCK,
  type Int4Row,
  quantizeInt4Row,
} from "./quantizeInt4Row.ts"
export { dequantizeInt8Row, quantizeActivationRow, quantizeInt8Row } from "./quantizeInt8Row.ts"
export { createRandom, hash32, noise } from "./random.ts"
export { rmsNorm } from "./rmsNorm.ts"
export { LARGE_BLOCK, MIXED_DISTANCE, ROTATED_TWICE, rotateColumns, rotateRow, SMALL_BLOCK } from "./rotateColumns.ts"
export { softmax } from "./softmax.ts"
export { topK } from "./topK.ts"
