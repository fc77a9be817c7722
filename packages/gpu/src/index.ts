export { createGpuBackend, type GpuBackend } from "./createGpuBackend.ts"
