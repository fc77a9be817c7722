export { createOnnxBackend } from "./createOnnxBackend.ts"
export { encodeGraph, type GraphConstant, type GraphNode } from "./graph.ts"
export { tensorOf } from "./Scratch.ts"
export { createSession, type Session } from "./Session.ts"
