export { downloadModel, isHubName } from "./downloadModel.ts"
export { HubError } from "./HubError.ts"
