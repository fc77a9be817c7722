export * from "./PreparedModel.ts"
