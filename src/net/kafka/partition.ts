/** FNV-1a, 32 bits, of `bytes[from .. to]`. */
export function fnv1a32(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5;
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash >>> 0;
}

/**
 * The partition of a key's hash, as `netobserv-ebpf-agent` and Sarama choose it: the absolute
 * remainder of the hash as a signed number.
 */
export function partitionOf(hash: number, partitions: number): number {
  return Math.abs((hash | 0) % partitions);
}
