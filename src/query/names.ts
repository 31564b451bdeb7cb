import { NAMES } from '../flow/enums.ts';
import type { FieldSpec } from '../flow/field.ts';
import { portOfService } from '../flow/ports.ts';

/** The bit of a TCP flag by its name, ignoring case; undefined for fields without such names. */
export function flagOfName(field: FieldSpec, text: string): number | undefined {
  if (field.names !== 'tcpFlags' || /^\d+$/.test(text)) return undefined;
  return NAMES.tcpFlags.numberOf(text.replaceAll('-', '_'));
}

/** The number for a name of a numeric field, ignoring case; undefined when there is none. */
export function numberOfName(field: FieldSpec, text: string): number | undefined {
  if (field.semantics === 'port') return portOfService(text);
  // Without the protocol the name of an ICMP type may mean either of two numbers.
  if (field.names === undefined || field.names === 'icmpType') return undefined;
  return NAMES[field.names].numberOf(text);
}
