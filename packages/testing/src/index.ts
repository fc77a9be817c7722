export { expectClose, maxError } from "./expectClose.ts"
export {
  type FixtureTensor,
  fixturePath,
  miniModelDir,
  readFixtureJson,
  readFixtureTensors,
  sharedPath,
} from "./fixtures.ts"
