import { EtherType } from '../../flow/enums.ts';
import type { ReadForm } from './elements-read.ts';
import { VARIABLE_LENGTH } from './ipfix-elements.ts';
import type { Place, Step } from './plan.ts';
import { numberAt, type Records } from './records.ts';

/** Times of the datagram that the times of its records refer to. */
export interface TimeBase {
  /** When the datagram was exported, by its header: epoch milliseconds. */
  exportMs: number;
  /** Milliseconds since the exporter started, for each record; NaN: unknown. */
  readonly uptimesMs: Float64Array;
}

const { IPv4: IPV4, IPv6: IPV6 } = EtherType;
const WORD = 2 ** 32;
const MS_PER_S = 1000;
/** Seconds from 1900, where NTP begins, to 1970. */
const NTP_EPOCH_S = 2_208_988_800;
/** NTP counts from 0 again in 2036 (RFC 5905, section 6). */
const NTP_ERA_S = WORD;
const LABEL_SHIFT = 4;

/** Gathers the numbers of a field of all records; NaN where there is none. */
export function gatherNumbers(
  records: Records,
  step: Step,
  time: TimeBase,
  into: Float64Array,
): void {
  const { form, isSeconds } = step;
  if (form === 'is-v4' || form === 'is-v6') {
    gatherFamily(records, step, form === 'is-v4' ? IPV4 : IPV6, into);
    return;
  }
  if (form === 'ntp') gatherNtp(records, step, into);
  else if (form === 'little-endian') gatherLittle(records, step, into);
  else gatherBig(records, step, into);
  convert(form, records.count, time, into);
  if (isSeconds) for (let i = 0; i < records.count; i++) into[i] = Math.floor(into[i]! / MS_PER_S);
}

function convert(form: ReadForm, count: number, time: TimeBase, values: Float64Array): void {
  const { exportMs, uptimesMs } = time;
  switch (form) {
    case 'seconds':
      for (let i = 0; i < count; i++) values[i]! *= MS_PER_S;
      return;
    case 'before-export':
      for (let i = 0; i < count; i++) values[i] = Math.round(exportMs - values[i]! / MS_PER_S);
      return;
    case 'uptime':
      // The difference of two counters of 32 bits, which start again from 0 after 49 days.
      for (let i = 0; i < count; i++) {
        const uptime = uptimesMs[i]!;
        const agoMs = (uptime - values[i]!) | 0;
        values[i] = Number.isNaN(uptime) ? uptime : exportMs - agoMs;
      }
      return;
    case 'label':
      for (let i = 0; i < count; i++) values[i] = Math.floor(values[i]! / 2 ** LABEL_SHIFT);
      return;
    case 'has-label':
      for (let i = 0; i < count; i++) values[i] = values[i]! > 0 ? 1 : Number.NaN;
      return;
    case 'ip-version':
      for (let i = 0; i < count; i++) {
        const version = values[i]!;
        values[i] = version === 4 ? IPV4 : version === 6 ? IPV6 : Number.NaN;
      }
      return;
    default:
  }
}

function gatherBig(records: Records, step: Step, into: Float64Array): void {
  const { bytes, count } = records;
  const { length, within } = step;
  if (length === VARIABLE_LENGTH) {
    for (let i = 0; i < count; i++) into[i] = records.number(step, i);
    return;
  }
  const starts = records.starts();
  const base = records.base(step);
  const offset = records.offset(step) + within;
  switch (length) {
    case 1:
      for (let i = 0; i < count; i++) into[i] = bytes[starts[base + i]! + offset]!;
      return;
    case 2:
      for (let i = 0; i < count; i++) {
        const at = starts[base + i]! + offset;
        into[i] = (bytes[at]! << 8) | bytes[at + 1]!;
      }
      return;
    case 4:
      for (let i = 0; i < count; i++) into[i] = wordAt(bytes, starts[base + i]! + offset);
      return;
    case 8:
      for (let i = 0; i < count; i++) {
        const at = starts[base + i]! + offset;
        into[i] = wordAt(bytes, at) * WORD + wordAt(bytes, at + 4);
      }
      return;
    default:
      for (let i = 0; i < count; i++) {
        into[i] = numberAt(bytes, starts[base + i]! + offset, length);
      }
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  const high = (bytes[at]! << 24) | (bytes[at + 1]! << 16);
  return (high | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

function gatherLittle(records: Records, step: Step, into: Float64Array): void {
  const { bytes, count } = records;
  for (let i = 0; i < count; i++) {
    const at = records.start(step, i);
    const length = records.length(step, i);
    let value = length === 0 || length > 8 ? Number.NaN : 0;
    for (let octet = length - 1; octet >= 0; octet--) value = value * 256 + bytes[at + octet]!;
    into[i] = value;
  }
}

/** RFC 7011, section 6.1.9: seconds since 1900, and 2^32nds of a second. */
function gatherNtp(records: Records, step: Step, into: Float64Array): void {
  const { bytes, count } = records;
  for (let i = 0; i < count; i++) {
    const at = records.start(step, i);
    const seconds = records.length(step, i) === 8 ? wordAt(bytes, at) : 0;
    if (seconds === 0) {
      into[i] = Number.NaN;
      continue;
    }
    const sinceS = seconds - NTP_EPOCH_S + (seconds < NTP_EPOCH_S ? NTP_ERA_S : 0);
    into[i] = sinceS * MS_PER_S + Math.round((wordAt(bytes, at + 4) / WORD) * MS_PER_S);
  }
}

/** The EtherType where the address is not zero: templates for both families fill one of them. */
function gatherFamily(records: Records, place: Place, type: number, into: Float64Array): void {
  const { bytes, count } = records;
  for (let i = 0; i < count; i++) {
    const at = records.start(place, i);
    const length = records.length(place, i);
    let any = 0;
    for (let octet = 0; octet < length; octet++) any |= bytes[at + octet]!;
    into[i] = any === 0 ? Number.NaN : type;
  }
}
