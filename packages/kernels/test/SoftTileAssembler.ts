import { Assembler } from "../src/x64/Assembler.ts"
import { at, type Gpr, type Mem, r8, r9, r10, r11, rax, rcx, rdx, rsp } from "../src/x64/registers.ts"

const NUM_TILES = 8
const NUM_ROWS = 16
const ROW_BYTES = 64
const TILE_BYTES = NUM_ROWS * ROW_BYTES

/** Where one thread's state keeps what; its owner's id comes first. */
const SHAPES = 64
const LIMITS = 128
const SAVED = LIMITS + NUM_TILES * NUM_ROWS * 4
const TILES = SAVED + 4 * ROW_BYTES
const THREAD_BYTES = TILES + NUM_TILES * TILE_BYTES
const MAX_THREADS = 16

/** Bytes of zeros that the code of `SoftTileAssembler` keeps its tiles in, one set for each thread that runs it. */
export const SOFT_TILE_BYTES = MAX_THREADS * THREAD_BYTES

/** What a tile instruction's code uses; all are handed back as they were. */
const SAVED_GPRS = [rax, rcx, rdx, r8, r9, r10, r11]
const RED_ZONE_BYTES = 128
/** How far below its place rsp lies inside: red zone, flags, registers. */
const STACK_BYTES = RED_ZONE_BYTES + 8 + SAVED_GPRS.length * 8
const MASK = 1
const SAVED_MASK = 3

/** The thread's state, while a tile instruction's code runs. */
const STATE = rdx

/**
 * An assembler whose AMX instructions are made of AVX-512: kernels with tiles run, bit for bit, where there is no AMX.
 *
 * They honour configured rows and bytes a row, touch no memory that a real one does not, and change no register, opmask (of its low 16 bits) or flag.
 * What the processor refuses (a tile that is not configured, shapes that do not fit) ends the process with an illegal instruction.
 *
 * @see Intel SDM vol. 2: LDTILECFG, TILELOADD, TILESTORED, TDPBSUD
 */
export class SoftTileAssembler extends Assembler {
  private readonly address: number

  /** @param address `SOFT_TILE_BYTES` of zeros, aligned to 64, that outlive the code */
  constructor(address: number) {
    super(64)
    this.address = address
  }

  override ldtilecfg(from: Mem): void {
    this.emulate(() => {
      this.lea(r8, besideStack(from))
      this.findState()
      this.clearTiles()
      for (let tile = 0; tile < NUM_TILES; tile++) this.configure(tile)
    })
  }

  override tilerelease(): void {
    this.emulate(() => {
      this.findState()
      this.clearTiles()
    })
  }

  override tilezero(tile: number): void {
    this.emulate(() => {
      this.findState()
      this.trapUnlessConfigured(tile)
      this.vpxor(0, 0, 0)
      for (let row = 0; row < NUM_ROWS; row++) this.vstoreups(tileRow(tile, row), 0)
    })
  }

  override tileloadd(tile: number, base: Gpr, stride: Gpr, disp = 0): void {
    this.forEachRow(tile, base, stride, disp, (address, row) => {
      this.vmovupsMasked(0, address, MASK)
      this.vstoreups(row, 0)
    })
  }

  override tilestored(base: Gpr, stride: Gpr, tile: number, disp = 0): void {
    this.forEachRow(tile, base, stride, disp, (address, row) => {
      this.vmovups(0, row)
      this.vstoreupsMasked(address, 0, MASK)
    })
  }

  override tdpbsud(to: number, a: number, b: number): void {
    if (to === a || to === b || a === b) throw new Error(`tdpbsud: tiles ${to}, ${a}, ${b} must differ`)
    this.emulate(() => {
      this.findState()
      for (const tile of [to, a, b]) this.trapUnlessConfigured(tile)
      this.trapUnlessEqual(rowsOf(to), rowsOf(a))
      this.trapUnlessEqual(lanesOf(to), lanesOf(b))
      this.trapUnlessEqual(lanesOf(a), rowsOf(b))
      this.lea(r8, tileRow(to, 0))
      this.lea(r9, tileRow(a, 0))
      this.mov(rcx, NUM_ROWS)
      // What lies outside of a tile's rows and lanes is zero, and adds nothing.
      this.times(rcx, () => {
        this.vmovups(0, at(r8))
        for (let k = 0; k < ROW_BYTES / 4; k++) {
          this.vbroadcastss(1, at(r9, k * 4))
          this.vmovups(2, tileRow(b, k))
          this.vpdpbusd(0, 2, 1)
        }
        this.vstoreups(at(r8), 0)
        this.add(r8, ROW_BYTES)
        this.add(r9, ROW_BYTES)
      })
    })
  }

  /** Emits `body` for each row: with its place in memory and in the state, and its lanes in the mask. */
  private forEachRow(tile: number, base: Gpr, stride: Gpr, disp: number, body: (address: Mem, row: Mem) => void): void {
    // The two may be any register: they are read before those that hold them are used.
    const [address, step] = [r8, r9, r10, r11].filter(({ gpr }) => gpr !== base.gpr && gpr !== stride.gpr) as [Gpr, Gpr]
    this.emulate(() => {
      this.lea(address, besideStack(at(base, disp)))
      this.mov(step, stride)
      this.findState()
      this.trapUnlessConfigured(tile)
      for (let row = 0; row < NUM_ROWS; row++) {
        this.vbroadcastss(0, at(STATE, LIMITS + (tile * NUM_ROWS + row) * 4))
        this.vpcmpgtd(MASK, 0, this.laneNumbers())
        body(at(address), tileRow(tile, row))
        this.lea(address, { base: address, index: step, disp: 0 })
      }
    })
  }

  /** Reads a tile's shape from the configuration at r8: the lanes of each row, none past the last. */
  private configure(tile: number): void {
    this.load32(r9, at(r8, 48 + tile))
    this.and(r9, 0xff)
    this.store32(rowsOf(tile), r9)
    this.vpbroadcastdFromGpr(0, r9)
    this.vpcmpgtd(MASK, 0, this.laneNumbers())
    this.load32(r9, at(r8, 16 + tile * 2))
    this.and(r9, 0xffff)
    this.shr(r9, 2)
    this.store32(lanesOf(tile), r9)
    this.vpbroadcastdFromGpr(0, r9)
    this.vstoreupsMasked(at(STATE, LIMITS + tile * NUM_ROWS * 4), 0, MASK)
  }

  private clearTiles(): void {
    this.vpxor(0, 0, 0)
    for (let offset = SHAPES; offset < SAVED; offset += 64) this.vstoreups(at(STATE, offset), 0)
    for (let tile = 0; tile < NUM_TILES; tile++)
      for (let row = 0; row < NUM_ROWS; row++) this.vstoreups(tileRow(tile, row), 0)
  }

  private laneNumbers(): Mem {
    return this.constant(Int32Array.from({ length: this.lanes }, (_, lane) => lane))
  }

  /** Emits `body`, which begins with `findState` after it has read what registers hold, and keeps every register and flag. */
  private emulate(body: () => void): void {
    this.lea(rsp, at(rsp, -RED_ZONE_BYTES))
    this.code.emit(0x9c) // pushfq
    this.push(...SAVED_GPRS)
    body()
    // A lane of -1 was a bit of the mask.
    this.vpxor(0, 0, 0)
    this.vpcmpgtd(MASK, 0, SAVED_MASK)
    for (let register = 0; register < 4; register++) this.vmovups(register, at(STATE, SAVED + register * ROW_BYTES))
    this.pop(...SAVED_GPRS)
    this.code.emit(0x9d) // popfq
    this.lea(rsp, at(rsp, RED_ZONE_BYTES))
  }

  /** Sets `STATE` to this thread's state, claiming one at its first use, and saves vectors 0..3 and the mask. Changes rax and rcx. */
  private findState(): void {
    const [next, found] = [this.label(), this.label()]
    // glibc keeps a thread's own address at fs:0: it is the thread's id.
    this.mov(rcx, 1)
    this.code.emit(0x64)
    this.load(rcx, at(rcx, -1))
    this.load(STATE, this.constant(new Uint8Array(BigUint64Array.of(BigInt(this.address - THREAD_BYTES)).buffer)))
    this.bind(next)
    this.add(STATE, THREAD_BYTES)
    this.load(rax, at(STATE))
    this.cmp(rax, rcx)
    this.jumpIf("equal", found)
    this.test(rax, rax)
    this.jumpIf("notEqual", next)
    this.lockCmpxchg(at(STATE), rcx)
    this.jumpIf("notEqual", next)
    this.bind(found)
    for (let register = 0; register < 4; register++) this.vstoreups(at(STATE, SAVED + register * ROW_BYTES), register)
    const ones = this.constant(new Int32Array(this.lanes).fill(-1))
    this.vmovupsMasked(SAVED_MASK, ones, MASK)
  }

  private trapUnlessConfigured(tile: number): void {
    const isConfigured = this.label()
    this.load32(rax, rowsOf(tile))
    this.test(rax, rax)
    this.jumpIf("notEqual", isConfigured)
    this.code.emit(0x0f, 0x0b) // ud2
    this.bind(isConfigured)
  }

  private trapUnlessEqual(a: Mem, b: Mem): void {
    const isEqual = this.label()
    this.load32(rax, a)
    this.load32(rcx, b)
    this.cmp(rax, rcx)
    this.jumpIf("equal", isEqual)
    this.code.emit(0x0f, 0x0b)
    this.bind(isEqual)
  }
}

/** An operand as it was before `emulate` moved rsp. */
function besideStack(mem: Mem): Mem {
  return "base" in mem && mem.base.gpr === rsp.gpr ? { ...mem, disp: mem.disp + STACK_BYTES } : mem
}

function tileRow(tile: number, row: number): Mem {
  return at(STATE, TILES + tile * TILE_BYTES + row * ROW_BYTES)
}

function rowsOf(tile: number): Mem {
  return at(STATE, SHAPES + tile * 8)
}

function lanesOf(tile: number): Mem {
  return at(STATE, SHAPES + tile * 8 + 4)
}
