import { assertExists } from '../../base/assert.ts';
import type { BatchLayout } from '../../flow/batch.ts';
import type { FieldKind, FieldSpec, IpfixElement } from '../../flow/field.ts';
import { FIELDS, fieldByName } from '../../flow/fields.ts';
import { IANA_TYPES, type IpfixType, TYPE_BYTES, VARIABLE_LENGTH } from './ipfix-elements.ts';

/** How an element's value is made of its column, where it is not the value itself. */
export type IpfixForm =
  | 'value'
  /** SYN_ACK and the like become the bits of the TCP header that they stand for. */
  | 'header-flags'
  /** Milliseconds as whole seconds. */
  | 'seconds'
  /** 1 in N as 1/N. */
  | 'probability'
  /** 1 in N as N, and all as 1. */
  | 'interval'
  /** The code point as the whole octet of the header, whose two low bits are not known. */
  | 'class-of-service'
  /** Type and code of ICMP in one number. */
  | 'icmp'
  /** The network's identifier, with the kind of tunnel in the most significant byte. */
  | 'segment'
  /** The direction at the first interface; where that is both, the flow's. */
  | 'direction'
  | 'first'
  | 'comma-list';

export interface TemplateField {
  readonly id: number;
  /** 0: an element of IANA's. */
  readonly enterprise: number;
  readonly type: IpfixType;
  readonly bytes: number;
  readonly column: string;
  readonly form: IpfixForm;
}

export interface IpfixTemplate {
  readonly id: number;
  readonly fields: readonly TemplateField[];
  /** Of a record without the values of variable-length fields, and the lengths before them. */
  readonly fixedBytes: number;
}

/** The original's ids; others are free to be used from 258 on. */
export const V4_TEMPLATE_ID = 256;
export const V6_TEMPLATE_ID = 257;

/** The original's elements in its order, by the columns that they are made of. */
const ORIGINAL_ORDER: readonly (readonly [column: string, extra?: IpfixElement])[] = [
  ['Etype'],
  ['IfDirections'],
  ['SrcMac'],
  ['DstMac'],
  ['SrcAddr'],
  ['DstAddr'],
  ['Proto'],
  ['SrcPort'],
  ['DstPort'],
  ['IcmpType'],
  ['IcmpCode'],
  ['Bytes'],
  ['Flags'],
  // Twice, in two units.
  ['TimeFlowStartMs', { name: 'flowStartSeconds', id: 150 }],
  ['TimeFlowStartMs'],
  ['TimeFlowEndMs', { name: 'flowEndSeconds', id: 151 }],
  ['TimeFlowEndMs'],
  ['Packets'],
  ['Interfaces'],
];

/**
 * Collectors know the protocol of an IPv6 flow by this element, too; nextHeaderIPv6, which the
 * original sends, is that of the first extension header where there is one.
 */
const PROTOCOL: IpfixElement = { name: 'protocolIdentifier', id: 4 };

/**
 * What is told once more, in elements by which collectors know it: of the rate, nfacctd and
 * akvorado read only this one in a record; of the code point all of them the octet; of ICMP, nfdump
 * both numbers in one.
 */
const TOLD_AGAIN: readonly (readonly [
  column: string,
  form: IpfixForm,
  element: IpfixElement & { readonly v6?: IpfixElement },
])[] = [
  ['Sampling', 'interval', { name: 'samplingInterval', id: 34 }],
  ['Dscp', 'class-of-service', { name: 'ipClassOfService', id: 5 }],
  [
    'IcmpType',
    'icmp',
    { name: 'icmpTypeCodeIPv4', id: 32, v6: { name: 'icmpTypeCodeIPv6', id: 139 } },
  ],
];

const FORMS: Readonly<Record<string, IpfixForm>> = {
  Flags: 'header-flags',
  Sampling: 'probability',
  TunnelId: 'segment',
  IfDirections: 'direction',
  Interfaces: 'first',
};

/** Types of enterprise elements, which no registry knows. */
const ENTERPRISE_TYPES: Readonly<Partial<Record<FieldKind, IpfixType>>> = {
  u8: 'unsigned8',
  u16: 'unsigned16',
  u32: 'unsigned32',
  f64: 'unsigned64',
  str: 'string',
  'list<u32>': 'string',
  'list<str>': 'string',
};

export interface TemplateOptions {
  /** Enterprise number (RFC 7011, section 3.2) of what IANA has no element for; 0: left out. */
  readonly enterprise: number;
  /** Whether the agent's own address is one of IPv6: it is the same for all of its flows. */
  readonly agentIsV6: boolean;
  /**
   * TCP flags in one octet (RFC 7011, section 6.2), the only one that nfacctd reads. Readers built
   * on VMware's go-ipfix take two, whatever the template says, and fail.
   */
  readonly shortFlags: boolean;
}

/** The templates of IPv4 and IPv6 flows for the columns of a layout. */
export function templatesFor(
  layout: BatchLayout,
  options: TemplateOptions,
): readonly [v4: IpfixTemplate, v6: IpfixTemplate] {
  return [
    template(V4_TEMPLATE_ID, layout, false, options),
    template(V6_TEMPLATE_ID, layout, true, options),
  ];
}

function template(
  id: number,
  layout: BatchLayout,
  isV6: boolean,
  options: TemplateOptions,
): IpfixTemplate {
  const fields: TemplateField[] = [];
  for (const [name, extra] of ORIGINAL_ORDER) {
    if (!layout.has(name)) continue;
    const spec = assertExists(fieldByName(name), `field ${name}`);
    fields.push(extra === undefined ? ianaField(spec, isV6) : secondsField(spec, extra));
    if (name === 'Flags' && options.shortFlags) fields.push({ ...fields.pop()!, bytes: 1 });
  }
  const done = new Set(ORIGINAL_ORDER.map(([name]) => name));
  for (const spec of FIELDS) {
    if (!layout.has(spec.name)) continue;
    if (spec.name === 'Proto' && isV6) fields.push(plainField(spec, PROTOCOL));
    if (spec.ipfix !== undefined && !done.has(spec.name)) {
      fields.push(ianaField(spec, spec.name === 'AgentIP' ? options.agentIsV6 : isV6));
    }
    if (spec.ipfixEnterprise !== undefined && options.enterprise !== 0) {
      fields.push(enterpriseField(spec, spec.ipfixEnterprise, options.enterprise));
    }
  }
  for (const [name, form, element] of TOLD_AGAIN) {
    const spec = layout.has(name) ? fieldByName(name) : undefined;
    if (spec === undefined) continue;
    fields.push({ ...plainField(spec, isV6 ? (element.v6 ?? element) : element), form });
  }
  return { id, fields, fixedBytes: fixedBytes(fields) };
}

function ianaField(spec: FieldSpec, isV6: boolean): TemplateField {
  const element = assertExists(spec.ipfix, `IPFIX element of ${spec.name}`);
  return plainField(spec, isV6 ? (element.v6 ?? element) : element);
}

function plainField(spec: FieldSpec, { id, name }: IpfixElement): TemplateField {
  const type = assertExists(IANA_TYPES.get(id), `type of the IPFIX element ${name}`);
  const form = FORMS[spec.name] ?? 'value';
  return { id, enterprise: 0, type, bytes: TYPE_BYTES[type], column: spec.name, form };
}

function secondsField(spec: FieldSpec, { id }: IpfixElement): TemplateField {
  const type = 'dateTimeSeconds';
  return { id, enterprise: 0, type, bytes: TYPE_BYTES[type], column: spec.name, form: 'seconds' };
}

function enterpriseField(spec: FieldSpec, { id }: IpfixElement, enterprise: number): TemplateField {
  const type = assertExists(ENTERPRISE_TYPES[spec.kind], `enterprise element of ${spec.kind}`);
  const isList = spec.kind === 'list<u32>' || spec.kind === 'list<str>';
  const form = isList ? 'comma-list' : 'value';
  return { id, enterprise, type, bytes: TYPE_BYTES[type], column: spec.name, form };
}

function fixedBytes(fields: readonly TemplateField[]): number {
  return fields.reduce((sum, { bytes }) => sum + (bytes === VARIABLE_LENGTH ? 0 : bytes), 0);
}

const SET_HEADER_BYTES = 4;
const TEMPLATE_SET_ID = 2;
/** The bit of an element's id that says that an enterprise number follows. */
const ENTERPRISE_BIT = 0x8000;

/** A template set (RFC 7011, section 3.4.1), of one template: some readers look no further. */
export function templateSet({ id, fields }: IpfixTemplate): Uint8Array {
  const length = fields.reduce((sum, field) => sum + (field.enterprise === 0 ? 4 : 8), 4);
  const bytes = new Uint8Array(SET_HEADER_BYTES + length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, TEMPLATE_SET_ID);
  view.setUint16(2, bytes.length);
  view.setUint16(4, id);
  view.setUint16(6, fields.length);
  let at = 8;
  for (const field of fields) {
    view.setUint16(at, field.enterprise === 0 ? field.id : field.id | ENTERPRISE_BIT);
    view.setUint16(at + 2, field.bytes);
    at += 4;
    if (field.enterprise === 0) continue;
    view.setUint32(at, field.enterprise);
    at += 4;
  }
  return bytes;
}
