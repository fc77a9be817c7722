import { ptr } from "bun:ffi"
import { describe, expect, spyOn, test } from "bun:test"
import { whyNoGpu } from "../test/openGpu.ts"
import { createDeviceRunner } from "./DeviceRunner.ts"
import { COMMAND } from "./GpuLine.ts"
import { openDevice } from "./openDevice.ts"

const [X, OUT, KERNEL] = [0, 1, 2]
const LENGTH = 4
const BYTES = LENGTH * 4
const CODE = `
struct Shape { factor: u32 }
@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;
@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) id: vec3u) { out[id.x] = x[id.x] * shape.factor; }
`
const MAKE = [
  [COMMAND.create, X, BYTES],
  [COMMAND.create, OUT, BYTES],
  [COMMAND.kernel, KERNEL, CODE.length, ...Array.from(CODE, (character) => character.charCodeAt(0))],
]

describe.skipIf(whyNoGpu() !== undefined)("createDeviceRunner", () => {
  test("a tape that comes again is encoded while it runs: the next needs its values alone, and whatever differs is encoded anew", async () => {
    const { device } = await openDevice([])
    const runner = createDeviceRunner(device)
    const events: string[] = []
    const { createCommandEncoder } = device
    const { submit } = device.queue
    spyOn(device, "createCommandEncoder").mockImplementation((...given) => {
      events.push("encode")
      return createCommandEncoder.apply(device, given)
    })
    spyOn(device.queue, "submit").mockImplementation((commands) => {
      events.push("submit")
      return submit.call(device.queue, commands)
    })
    await runner.run(Float64Array.from(MAKE.flat()))
    /** Multiplies the first values, other ones each time; returns what was done, in its order. */
    const step = async (factor: number, numValues: number): Promise<string> => {
      const x = Uint32Array.from({ length: LENGTH }, (_, i) => 10 * factor + i)
      const found = new Uint32Array(LENGTH)
      events.length = 0
      const commands = [
        [COMMAND.write, X, 0, ptr(x), BYTES],
        [COMMAND.dispatch, KERNEL, numValues, 1, 1, factor, 2, X, OUT],
        [COMMAND.read, OUT, 0, ptr(found), numValues * 4],
      ]
      await runner.run(Float64Array.from(commands.flat()))
      expect(found).toEqual(x.map((value, i) => (i < numValues ? value * factor : 0)))
      return events.join(", ")
    }
    expect(await step(2, 4)).toBe("encode, submit")
    expect(await step(3, 4)).toBe("encode, submit, encode")
    expect(await step(5, 4)).toBe("submit, encode")
    expect(await step(7, 4)).toBe("submit, encode")
    expect(await step(11, 3)).toBe("encode, submit")
    expect(await step(13, 4)).toBe("encode, submit")
    expect(await step(17, 4)).toBe("encode, submit, encode")
    await runner.run(Float64Array.of(COMMAND.destroy, OUT, COMMAND.create, OUT, BYTES))
    expect(await step(19, 4)).toBe("encode, submit")
    runner.destroy()
  })
})
