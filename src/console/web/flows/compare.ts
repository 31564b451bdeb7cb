import { parseAddress } from '../../../base/ip.ts';

/**
 * Order of cell values: numbers by size, addresses by their bytes (IPv4 before IPv6), the rest
 * alphabetically for people. The caller keeps absent values last in both sort directions.
 */
export function compareValues(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  const textA = toText(a);
  const textB = toText(b);
  const addressA = parseAddress(textA);
  const addressB = parseAddress(textB);
  if (addressA !== undefined && addressB !== undefined) return compareBytes(addressA, addressB);
  return collator.compare(textA, textB);
}

const collator = new Intl.Collator('en', { numeric: true });

export function isAbsent(value: unknown): boolean {
  return (
    value === undefined ||
    value === null ||
    value === '' ||
    (Array.isArray(value) && value.every(isAbsent))
  );
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  // A mapped IPv4 address starts with zeros, so it sorts before all global IPv6 addresses.
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return 0;
}

function toText(value: unknown): string {
  return Array.isArray(value) ? value.map(String).join(', ') : String(value ?? '');
}
