/** Modulo 2^64. */
export function writeU64(view: DataView, at: number, value: number): void {
  view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), true);
}
