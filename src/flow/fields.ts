import type { FieldKind, FieldSpec } from './field.ts';
import { connectionFields } from './fields/connection.ts';
import { conversationFields } from './fields/conversation.ts';
import { dnsFields } from './fields/dns.ts';
import { dropFields } from './fields/drop.ts';
import { encryptionFields } from './fields/encryption.ts';
import { DESTINATION, endpointFields, SOURCE } from './fields/endpoint.ts';
import { eventFields } from './fields/event.ts';
import { interfaceFields } from './fields/interface.ts';
import { netflowFields } from './fields/netflow.ts';
import { packetFields } from './fields/packet.ts';
import { processFields } from './fields/process.ts';
import { timeFields } from './fields/time.ts';
import { translationFields } from './fields/translation.ts';
import { tunnelFields } from './fields/tunnel.ts';
import { volumeFields } from './fields/volume.ts';

/** Rows that belong together, under the heading that the reference page gives them. */
export interface FieldFamily {
  readonly title: string;
  readonly fields: readonly FieldSpec[];
}

/** The table by families, in the order of columns and of pages. */
export const FIELD_FAMILIES: readonly FieldFamily[] = [
  { title: 'Time and origin', fields: timeFields },
  { title: 'Conversations', fields: conversationFields },
  { title: 'Source', fields: endpointFields(SOURCE) },
  { title: 'Destination', fields: endpointFields(DESTINATION) },
  { title: 'Packets', fields: packetFields },
  { title: 'Interfaces and direction', fields: interfaceFields },
  { title: 'Volume', fields: volumeFields },
  { title: 'Connection', fields: connectionFields },
  { title: 'Process', fields: processFields },
  { title: 'Packet drops', fields: dropFields },
  { title: 'DNS', fields: dnsFields },
  { title: 'Round-trip time and network events', fields: eventFields },
  { title: 'Packet translation', fields: translationFields },
  { title: 'Tunnel', fields: tunnelFields },
  { title: 'Encryption', fields: encryptionFields },
  { title: 'NetFlow, IPFIX and sFlow', fields: netflowFields },
];

/** All flow fields: the single source of what the program knows about them. */
export const FIELDS: readonly FieldSpec[] = FIELD_FAMILIES.flatMap((family) => family.fields);

const BY_NAME: ReadonlyMap<string, FieldSpec> = new Map(FIELDS.map((field) => [field.name, field]));

export function fieldByName(name: string): FieldSpec | undefined {
  return BY_NAME.get(name);
}

/** Kind of a field of the table; undefined for a name that only a configuration defines. */
export function kindOf(name: string): FieldKind | undefined {
  return BY_NAME.get(name)?.kind;
}

/** Fields that are Loki stream labels, including those of features that are off. */
export const LOKI_LABELS: readonly string[] = FIELDS.filter((field) => field.lokiLabel).map(
  (field) => field.name,
);
