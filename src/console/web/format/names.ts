import {
  ICMPV6_TYPES,
  NAMES,
  tcpFlagNames as namesOfFlags,
  Protocol,
} from '../../../flow/enums.ts';
import { serviceOfPort } from '../../../flow/ports.ts';

const NAMED_FLAGS = NAMES.tcpFlags.entries.reduce((mask, [bit]) => mask | bit, 0);

export function protocolName(number: number): string {
  return NAMES.protocol.nameOf(number) ?? String(number);
}

export function dscpName(number: number): string {
  return NAMES.dscp.nameOf(number) ?? String(number);
}

export function etherTypeName(number: number): string {
  return NAMES.etherType.nameOf(number) ?? `0x${number.toString(16).padStart(4, '0')}`;
}

export function directionName(number: number): string {
  return NAMES.direction.nameOf(number) ?? String(number);
}

export function icmpTypeName(type: number, protocol: unknown): string {
  const names = protocol === Protocol['IPv6-ICMP'] ? ICMPV6_TYPES : NAMES.icmpType;
  return names.nameOf(type) ?? String(type);
}

/** Names of the bits set, lowest first; bits without a name as a number. */
export function tcpFlagNames(mask: number): readonly string[] {
  const rest = mask & ~NAMED_FLAGS;
  return rest === 0 ? namesOfFlags(mask) : [...namesOfFlags(mask), String(rest)];
}

/** The usual service of a port; undefined when none is known. */
export function portName(
  port: number,
  named: Readonly<Record<string, string>>,
): string | undefined {
  return named[String(port)] ?? serviceOfPort(port);
}

/** `[fd00::1]:443`, `10.0.0.1:443`. */
export function joinAddressPort(address: string, port: unknown): string {
  if (port === undefined || port === '' || port === 0) return address;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** `NO_SOCKET` for `SKB_DROP_REASON_NO_SOCKET`; reasons of other kernel parts stay whole. */
export function dropCauseName(reason: string): string {
  return reason.replace(/^SKB_DROP_REASON_/, '');
}
