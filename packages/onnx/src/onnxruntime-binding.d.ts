/** The part of onnxruntime-node's inner binding that we use; the package ships no types for it. */
declare module "onnxruntime-node/dist/binding.js" {
  import type { Tensor } from "onnxruntime-common"

  interface NativeSession {
    loadModel(
      buffer: ArrayBuffer,
      byteOffset: number,
      byteLength: number,
      options: Readonly<Record<string, unknown>>,
    ): void
    run(
      feeds: Readonly<Record<string, Tensor>>,
      fetches: Readonly<Record<string, Tensor | null>>,
      options: Readonly<Record<string, unknown>>,
    ): Record<string, Tensor>
    dispose(): void
  }
  export const binding: { readonly InferenceSession: new () => NativeSession }
  export const initOrt: () => void
}
