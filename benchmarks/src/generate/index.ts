export { generateModel } from "./generateModel.ts"
export type { ShapeConfig } from "./parseShape.ts"
