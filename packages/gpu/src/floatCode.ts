/** WGSL of f32 values as bits: what is no finite number, and an order of all that are, ties of equal numbers included. Devices may lose a NaN in arithmetic, and tiny values. */
export const FLOAT_CODE = `
const NAN_BITS = 0x7fc00000u;
fn is_fault(bits: u32) -> bool { return (bits & 0x7fffffffu) >= 0x7f800000u; }
fn order_of(bits: u32) -> u32 {
  let value = select(bits, 0u, bits == 0x80000000u);
  return select(value | 0x80000000u, ~value, value >= 0x80000000u);
}`
