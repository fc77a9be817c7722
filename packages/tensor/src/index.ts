export { sigmoid, silu } from "./activations.ts"
export { applyRope, type RopeAngles } from "./applyRope.ts"
export { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from "./halfFloats.ts"
export { matmul } from "./matmul.ts"
export {
  createInt4Blocks,
  dequantizeInt4Blocks,
  INT4_BLOCK,
  type Int4Blocks,
  quantizeInt4Blocks,
} from "./quantizeInt4Blocks.ts"
export { dequantizeInt8Row, quantizeActivationRow, quantizeInt8Row } from "./quantizeInt8Row.ts"
export { createRandom, hash32, noise } from "./random.ts"
export { rmsNorm } from "./rmsNorm.ts"
export { softmax } from "./softmax.ts"
export { topK } from "./topK.ts"
