/** A general-purpose register. */
export interface Gpr {
  readonly gpr: number
}

const gpr = (id: number): Gpr => ({ gpr: id })

export const rax = gpr(0)
export const rcx = gpr(1)
export const rdx = gpr(2)
export const rbx = gpr(3)
export const rsp = gpr(4)
export const rbp = gpr(5)
export const rsi = gpr(6)
export const rdi = gpr(7)
export const r8 = gpr(8)
export const r9 = gpr(9)
export const r10 = gpr(10)
export const r11 = gpr(11)
export const r12 = gpr(12)
export const r13 = gpr(13)
export const r14 = gpr(14)
export const r15 = gpr(15)

/** A place in the code; `Assembler.bind` says where. */
export interface Label {
  offset: number | undefined
}

/** A memory operand: `base + index · scale + disp`, or a constant of the code's own pool. */
export type Mem =
  | { readonly base: Gpr; readonly index?: Gpr; readonly scale?: 1 | 2 | 4 | 8; readonly disp: number }
  | { readonly label: Label }

/** `[base + disp]` */
export function at(base: Gpr, disp = 0): Mem {
  return { base, disp }
}

/** `[base + index · scale + disp]` */
export function atIndex(base: Gpr, index: Gpr, scale: 1 | 2 | 4 | 8 = 1, disp = 0): Mem {
  return { base, index, scale, disp }
}
