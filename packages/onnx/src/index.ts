export { createOnnxBackend } from "./createOnnxBackend.ts"
