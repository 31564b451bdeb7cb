import { assertExists } from '../../base/assert.ts';
import type { BatchLayout } from '../../flow/batch.ts';
import type { FieldKind, FieldSpec } from '../../flow/field.ts';
import { FIELDS } from '../../flow/fields.ts';
import type { IpfixElement, IpfixField, IpfixForm } from '../../flow/wire.ts';
import { IANA_TYPES, type IpfixType, TYPE_BYTES, VARIABLE_LENGTH } from './ipfix-elements.ts';

export interface TemplateField {
  readonly id: number;
  /** 0: an IANA element. */
  readonly enterprise: number;
  readonly type: IpfixType;
  readonly bytes: number;
  readonly column: string;
  readonly form: IpfixForm;
  /** Another column that the form reads. */
  readonly reads: string | undefined;
}

export interface IpfixTemplate {
  readonly id: number;
  readonly fields: readonly TemplateField[];
  /** Size of a record without its variable-length values and their lengths. */
  readonly fixedBytes: number;
}

/** The ids that `netobserv-ebpf-agent` uses; ids from 258 on are free. */
export const V4_TEMPLATE_ID = 256;
export const V6_TEMPLATE_ID = 257;

/** Types of enterprise elements, which are in no registry. */
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
  /** Enterprise number (RFC 7011, section 3.2) for fields without an IANA element; 0: left out. */
  readonly enterprise: number;
  /** Whether the agent's own address is IPv6: it is the same for all of its flows. */
  readonly agentIsV6: boolean;
  /**
   * TCP flags in one octet (RFC 7011, section 6.2), the only form that nfacctd reads. Readers built
   * on VMware's go-ipfix always read two octets, and fail.
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
  const fields = FIELDS.filter(({ name }) => layout.has(name))
    .flatMap((spec) => elementsOf(spec, isV6, options))
    .sort((a, b) => a.rank - b.rank)
    .map(({ field }) => field);
  return { id, fields, fixedBytes: fixedBytes(fields) };
}

/** Columns that the forms of other fields' elements read. */
const READ_ALONG: ReadonlySet<string> = new Set(
  FIELDS.flatMap(({ ipfix, ipfixAgain = [] }) => [ipfix, ...ipfixAgain]).flatMap(
    (element) => element?.reads ?? [],
  ),
);

/** Whether a writer with this enterprise number (0: none) reads the column of a field. */
export function isReadForIpfix(
  { name, ipfix, ipfixEnterprise }: FieldSpec,
  enterprise: number,
): boolean {
  const isSent = ipfix !== undefined || (enterprise !== 0 && ipfixEnterprise !== undefined);
  return isSent || READ_ALONG.has(name);
}

interface Ranked {
  readonly field: TemplateField;
  /** Elements of equal rank keep the order of the field table. */
  readonly rank: number;
}

/** Ranks of elements without a number: behind those of `IpfixField.place`. */
const UNPLACED = 1000;
const LAST = 2000;

/** All elements of one field. */
function elementsOf(spec: FieldSpec, isV6: boolean, options: TemplateOptions): readonly Ranked[] {
  const own = spec.ipfix === undefined ? [] : [spec.ipfix];
  const elements = [...(spec.ipfixAgain ?? []), ...own]
    .filter(({ isV6Only }) => isV6 || isV6Only !== true)
    .map((element): Ranked => {
      const { place = UNPLACED } = element;
      return {
        field: ianaField(spec, element, isV6, options),
        rank: place === 'last' ? LAST : place,
      };
    });
  if (spec.ipfixEnterprise === undefined || options.enterprise === 0) return elements;
  const field = enterpriseField(spec, spec.ipfixEnterprise, options.enterprise);
  return [...elements, { field, rank: UNPLACED }];
}

function ianaField(
  spec: FieldSpec,
  element: IpfixField,
  isV6: boolean,
  options: TemplateOptions,
): TemplateField {
  const family = element.isOfExporter === true ? options.agentIsV6 : isV6;
  const { id, name } = family ? (element.v6 ?? element) : element;
  const type = assertExists(IANA_TYPES.get(id), `type of the IPFIX element ${name}`);
  const { form = 'value', reads } = element;
  const bytes = form === 'header-flags' && options.shortFlags ? 1 : TYPE_BYTES[type];
  return { id, enterprise: 0, type, bytes, column: spec.name, form, reads };
}

function enterpriseField(spec: FieldSpec, { id }: IpfixElement, enterprise: number): TemplateField {
  const type = assertExists(ENTERPRISE_TYPES[spec.kind], `enterprise element of ${spec.kind}`);
  const isList = spec.kind === 'list<u32>' || spec.kind === 'list<str>';
  const form = isList ? 'comma-list' : 'value';
  const bytes = TYPE_BYTES[type];
  return { id, enterprise, type, bytes, column: spec.name, form, reads: undefined };
}

function fixedBytes(fields: readonly TemplateField[]): number {
  return fields.reduce((sum, { bytes }) => sum + (bytes === VARIABLE_LENGTH ? 0 : bytes), 0);
}

const SET_HEADER_BYTES = 4;
const TEMPLATE_SET_ID = 2;
/** The bit of an element's id that marks a following enterprise number. */
const ENTERPRISE_BIT = 0x8000;

/** A template set (RFC 7011, section 3.4.1) with one template: some readers read only the first. */
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
