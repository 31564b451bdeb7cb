import { type Column, type FlowBatch, type ListColumn, pushList } from '../../flow/batch.ts';
import { setBit } from '../../flow/bits.ts';
import { DNS_RESPONSE_CODES, EtherType, hasPorts, Protocol } from '../../flow/enums.ts';
import { MISSING } from '../../flow/intern.ts';
import { TLS_MISMATCH, TLS_TYPES } from '../../flow/names/tls.ts';
import { DNS_CODE_MASK } from './schema.ts';
import type { DecodedField, Targets } from './targets.ts';

const { ICMP, TCP, 'IPv6-ICMP': ICMPV6 } = Protocol;
const { IPv4: IPV4, IPv6: IPV6 } = EtherType;

/** The list of the current row, at the end of its column. */
export interface OpenList {
  readonly column: ListColumn;
  start: number;
  end: number;
  /** It has values other than fillers. */
  isFilled: boolean;
}

/** The record that is being decoded. */
export interface OpenRow {
  readonly targets: Targets;
  readonly values: Float64Array;
  readonly lists: ReadonlyMap<string, OpenList>;
  events: Readonly<Record<string, string>>[] | undefined;
  nowMs: number;
}

/** Adds the row to the batch. */
export function commitRow(open: OpenRow, batch: FlowBatch): void {
  const { targets, values } = open;
  const row = batch.length;
  for (const target of targets.columns) {
    const value = target.slot < 0 ? 0 : values[target.slot]!;
    switch (target.form) {
      case 'dupList':
      case 'texts':
        break;
      case 'mask':
        pushTypes(open, target, value, batch);
        break;
      case 'events':
        batch.any(target.name)[row] = open.events;
        break;
      case 'code':
        batch.ids(target.name)[row] = codeId(open, target, value, batch);
        break;
      case 'fragment':
      case 'dnsCode':
        batch.ids(target.name)[row] = isLeftOut(open, target) ? MISSING : value;
        break;
      default:
        setNumber(open, target, value, batch.column(target.name), row);
    }
  }
  for (const { column, start, end, isFilled } of open.lists.values()) {
    column.offsets[row] = start;
    column.offsets[row + 1] = isFilled ? end : start;
  }
  derive(open, batch, row);
  batch.length++;
}

/** Translated addresses are kept only if both are known. */
function isLeftOut(open: OpenRow, { presence }: DecodedField): boolean {
  return presence === 'translated' && !isTranslated(open);
}

function isTranslated({ targets: { context }, values }: OpenRow): boolean {
  return values[context.translatedSource] !== 0 && values[context.translatedDestination] !== 0;
}

function setNumber(
  open: OpenRow,
  target: DecodedField,
  sent: number,
  column: Column,
  row: number,
): void {
  if (!('present' in column)) return;
  const exact = target.exactSlot < 0 ? 0 : open.values[target.exactSlot]!;
  const value = exact === 0 ? sent : exact;
  column.values[row] = value;
  if (isPresent(open, target, value)) setBit(column.present, row);
}

function isPresent(open: OpenRow, target: DecodedField, value: number): boolean {
  const { context } = open.targets;
  const { values } = open;
  const protocol = values[context.protocol]!;
  switch (target.presence) {
    case 'always':
      return true;
    case 'nonZero':
      return value !== 0;
    case 'ip':
      return isIp(values[context.etherType]!);
    case 'tcp':
      return isIp(values[context.etherType]!) && protocol === TCP;
    case 'ports':
      return isIp(values[context.etherType]!) && hasPorts(protocol);
    case 'icmp':
      return isIp(values[context.etherType]!) && (protocol === ICMP || protocol === ICMPV6);
    case 'dns':
      return value !== 0 || values[context.dnsId] !== 0;
    case 'drop':
      return values[context.dropCause] !== 0;
    case 'translated':
      return isTranslated(open);
    case 'translatedNonZero':
      return value !== 0 && isTranslated(open);
    case 'message':
      return values[target.messageSlot] !== 0;
    case 'tunnel':
      return value !== 0 || values[context.tunnelType] !== 0;
    case 'ipsec':
      return value !== 0 || values[context.ipsecStatus] !== 0;
  }
}

function isIp(etherType: number): boolean {
  return etherType === IPV4 || etherType === IPV6;
}

/** The id of the text for a code. */
function codeId(open: OpenRow, target: DecodedField, code: number, batch: FlowBatch): number {
  const { targets, values } = open;
  const { strings } = batch.tables;
  const exact = target.exactSlot < 0 ? 0 : values[target.exactSlot]!;
  if (target.presence === 'ipsec') {
    if (values[targets.context.ipsecReturned] !== 0) return strings.intern('error');
    return code === 0 ? MISSING : strings.intern('success');
  }
  if (target.presence === 'drop' && values[targets.context.dropCause] === 0) {
    return MISSING;
  }
  if (exact !== 0) return exact;
  if (code === 0 || target.codes === undefined) return MISSING;
  const name = target.codes.nameOf(code);
  const isMismatch = target.mismatchSlot >= 0 && values[target.mismatchSlot] !== 0;
  return strings.intern(isMismatch ? TLS_MISMATCH + name : name);
}

function pushTypes(
  { lists }: OpenRow,
  { name }: DecodedField,
  mask: number,
  batch: FlowBatch,
): void {
  const list = lists.get(name);
  if (list === undefined) return;
  for (const [type, bit] of TLS_TYPES) {
    if ((mask & bit) === 0) continue;
    list.end = pushList(list.column, list.end, batch.tables.strings.intern(type));
    list.isFilled = true;
  }
}

/** Fills fields that follow from others or from the time. */
function derive({ targets, values, nowMs }: OpenRow, batch: FlowBatch, row: number): void {
  if (batch.has('TimeReceived')) {
    batch.f64('TimeReceived')[row] = Math.floor(nowMs / 1000);
    setBit(batch.present('TimeReceived'), row);
  }
  const { dnsId, dnsFlags, dnsFlagsExact, dnsCode } = targets.context;
  // If the exact flags were sent, the code was sent by name or is unknown.
  const isDerived = values[dnsFlagsExact] === 0 && values[dnsCode] === 0;
  if (batch.has('DnsFlagsResponseCode') && values[dnsId] !== 0 && isDerived) {
    const code = values[dnsFlags]! & DNS_CODE_MASK;
    const name = DNS_RESPONSE_CODES.nameOf(code) ?? 'UnDefined';
    batch.ids('DnsFlagsResponseCode')[row] = batch.tables.strings.intern(name);
  }
}
