export {
  CANARY_PREFIX,
  ControlCommand,
  type ControlResult,
  type Desired,
  type ExpertChange,
  type ExpertReport,
  FAULT_KINDS,
  ROUTING_MODES,
  type RoutingPolicy,
  type ResidencyReport,
} from "./control.ts"
export { type Autoscaler, createAutoscaler } from "./client/createAutoscaler.ts"
export { createDesiredFile, type DesiredFile } from "./client/DesiredFile.ts"
export { Engine, type EngineOptions } from "./client/Engine.ts"
export type { EngineApi, EngineState, GenerateEvent } from "./client/EngineApi.ts"
export { EngineError } from "./client/EngineError.ts"
export { chooseBackend } from "./engine/chooseBackend.ts"
export type { EngineStart } from "./engine/EngineStart.ts"
export { createEngineMeters, type EngineMeter, type EngineUse, type MeteredEngine } from "./meter/EngineMeter.ts"
export type { Degradation, EngineStatus, EngineUsage, RoutingTrace } from "./protocol.ts"
export { createEngineExperts, type EngineExperts } from "./store/createEngineExperts.ts"
export { complete, type CompletionDeps } from "./completion/complete.ts"
export type {
  ChatMessage,
  CompletionEvent,
  CompletionRequest,
  TextLogProb,
  Tool,
  ToolCall,
} from "./completion/Completion.ts"
export { onnxConfig, usualContext } from "./onnx/onnxContext.ts"
export { onnxFiles, onnxModelBytes, SESSION_SHARE } from "./onnx/onnxFiles.ts"
export { PromptError } from "./completion/encodePrompt.ts"
export { decodePrompt, loadModelText, loadOnnxText, type ModelText } from "./completion/ModelText.ts"
