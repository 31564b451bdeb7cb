import { assertExists } from '../../base/assert.ts';
import type { BatchLayout } from '../../flow/batch.ts';
import type { FieldSpec } from '../../flow/field.ts';
import { FIELDS } from '../../flow/fields.ts';
import {
  CODES,
  DNS_FLAGS,
  DURATIONS,
  type Form,
  formOf,
  RECORD,
  TIMESTAMP_UNITS,
  type WireCodes,
} from './schema.ts';

/**
 * When a field that the record does not have is zero, and when it is absent. The wire does not
 * tell, so the readers' rules apply.
 */
export type Presence =
  | 'always'
  | 'nonZero'
  | 'ip'
  | 'ports'
  | 'tcp'
  | 'icmp'
  | 'dns'
  | 'drop'
  | 'xlat'
  | 'quic'
  | 'tunnel'
  | 'ipsec';

/** What to do with a field of the wire. */
export interface Target {
  readonly name: string;
  readonly path: string;
  readonly form: Form;
  readonly kind: FieldSpec['kind'];
  /** Where its number or id is kept until the record has been read. */
  readonly slot: number;
  /** Where what does not fit the field itself is kept; -1: there is no such thing. */
  readonly exactSlot: number;
  readonly presence: Presence;
  readonly codes: WireCodes | undefined;
  /** Of messages of seconds and nanoseconds. */
  readonly unitsPerSecond: number;
  /** False: nobody needs it, and it is passed over. */
  readonly wanted: boolean;
}

/** A number of `Record`: the field, or the message that has it. */
export interface Entry {
  readonly target?: Target;
  /** Set for the exact value of a field: it goes to `exactSlot`. */
  readonly isExact?: boolean;
  readonly inner?: readonly (Target | undefined)[];
}

const PRESENCE: Readonly<Record<string, Presence>> = {
  eth_protocol: 'always',
  direction: 'always',
  time_flow_start: 'always',
  time_flow_end: 'always',
  'network.dscp': 'ip',
  'transport.protocol': 'ip',
  'transport.src_port': 'ports',
  'transport.dst_port': 'ports',
  flags: 'tcp',
  icmp_type: 'icmp',
  icmp_code: 'icmp',
  dns_id: 'dns',
  dns_flags: 'dns',
  dns_latency: 'dns',
  pkt_drop_bytes: 'drop',
  pkt_drop_packets: 'drop',
  pkt_drop_latest_flags: 'drop',
  pkt_drop_latest_state: 'drop',
  pkt_drop_latest_drop_cause: 'drop',
  'xlat.zone_id': 'xlat',
  'quic.seen_long_hdr': 'quic',
  'quic.seen_short_hdr': 'quic',
  tunnel_id: 'tunnel',
  ipsec_encrypted: 'ipsec',
  ipsec_encrypted_ret: 'ipsec',
};

/** Read whether or not there is a column for them. */
const CONTEXT: Readonly<Record<Exclude<keyof Context, 'dnsFlagsExact'>, string>> = {
  etherType: 'eth_protocol',
  protocol: 'transport.protocol',
  dnsId: 'dns_id',
  dnsFlags: DNS_FLAGS.path,
  dnsCode: DNS_FLAGS.codePath,
  dropCause: 'pkt_drop_latest_drop_cause',
  ipsecEncrypted: 'ipsec_encrypted',
  ipsecReturned: 'ipsec_encrypted_ret',
  xlatSource: 'xlat.src_addr',
  xlatDestination: 'xlat.dst_addr',
  tunnelType: 'tunnel_type',
};

export interface Targets {
  /** By field number of `Record`. */
  readonly entries: readonly (Entry | undefined)[];
  /** Those that the layout has a column for. */
  readonly columns: readonly Target[];
  readonly slots: number;
  readonly context: Context;
}

/** Slots of the fields that tell what others mean. */
export interface Context {
  readonly etherType: number;
  readonly protocol: number;
  readonly dnsId: number;
  readonly dnsFlags: number;
  readonly dnsFlagsExact: number;
  readonly dnsCode: number;
  readonly dropCause: number;
  readonly ipsecEncrypted: number;
  readonly ipsecReturned: number;
  readonly xlatSource: number;
  readonly xlatDestination: number;
  readonly tunnelType: number;
}

export function targetsOf(layout: BatchLayout): Targets {
  const context = new Set(Object.values(CONTEXT));
  const entries: (Entry | undefined)[] = [];
  const columns: Target[] = [];
  const byPath = new Map<string, Target>();
  let slots = 0;
  for (const field of FIELDS) {
    if (field.proto === undefined) continue;
    const { path, numbers, exact } = field.proto;
    const target: Target = {
      name: field.name,
      path,
      form: formOf(field, path),
      kind: field.kind,
      slot: slots++,
      exactSlot: exact === undefined ? -1 : slots++,
      presence: PRESENCE[path] ?? 'nonZero',
      codes: CODES[path],
      unitsPerSecond: DURATIONS[path] ?? TIMESTAMP_UNITS,
      wanted: layout.has(field.name) || context.has(path),
    };
    byPath.set(path, target);
    if (layout.has(field.name)) columns.push(target);
    const [first, second] = numbers;
    const number = assertExists(first, `field number of ${field.name}`);
    if (second === undefined || number === RECORD.networkEvents || number === RECORD.dupList) {
      entries[number] ??= { target };
    } else {
      const inner = [...(entries[number]?.inner ?? [])];
      inner[second] = target;
      entries[number] = { inner };
    }
    if (exact !== undefined) entries[exact] = { target, isExact: true };
  }
  return {
    entries,
    columns,
    slots,
    context: contextOf(byPath),
  };
}

function contextOf(byPath: ReadonlyMap<string, Target>): Context {
  const targetOf = (path: string): Target =>
    assertExists(byPath.get(path), `field ${path} in the field table`);
  const slotOf = (path: string): number => targetOf(path).slot;
  return {
    etherType: slotOf(CONTEXT.etherType),
    protocol: slotOf(CONTEXT.protocol),
    dnsId: slotOf(CONTEXT.dnsId),
    dnsFlags: slotOf(CONTEXT.dnsFlags),
    dnsFlagsExact: targetOf(CONTEXT.dnsFlags).exactSlot,
    dnsCode: slotOf(CONTEXT.dnsCode),
    dropCause: slotOf(CONTEXT.dropCause),
    ipsecEncrypted: slotOf(CONTEXT.ipsecEncrypted),
    ipsecReturned: slotOf(CONTEXT.ipsecReturned),
    xlatSource: slotOf(CONTEXT.xlatSource),
    xlatDestination: slotOf(CONTEXT.xlatDestination),
    tunnelType: slotOf(CONTEXT.tunnelType),
  };
}
