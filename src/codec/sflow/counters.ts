import type { ErrorRow } from '../../base/errors.ts';
import { padded, word32 } from './bytes.ts';
import { SFLOW_ERRORS } from './errors.ts';

/** Counters of an interface in one direction, in the order of their places. */
export const INTERFACE_COUNTERS = [
  ...(['octets', 'unicast', 'multicast', 'broadcast', 'discards', 'errors'] as const),
] as const;

/** The standard format of generic interface counters, and its octets. */
const INTERFACE = 1;
const INTERFACE_BYTES = 88;
/** Where the counters of each direction begin: octets of 64 bits, then words. */
const IN_AT = 24;
const OUT_AT = 56;
const OCTETS_BYTES = 8;

const WORD_BYTES = 4;
const RECORD_HEAD_BYTES = 8;
/** Up to the first record: with the data source in one word, or in two. */
const COMPACT_BYTES = 12;
const EXPANDED_BYTES = 16;

const WORD = 2 ** 32;
/** All bits of a counter that the agent does not have. */
const UNKNOWN = 0xffff_ffff;

/** The counters of an interface, which never begin anew by themselves. One object serves all. */
export class InterfaceCounters {
  /** SNMP index of the interface. */
  index = 0;
  /** By place in `INTERFACE_COUNTERS`; NaN: the agent does not have it. */
  readonly incoming = new Float64Array(INTERFACE_COUNTERS.length);
  readonly outgoing = new Float64Array(INTERFACE_COUNTERS.length);
  /** The sample that was read last has such counters. */
  isThere = false;

  /** Reads a counter sample in `bytes[at, end)`. */
  read(bytes: Uint8Array, at: number, end: number, isExpanded: boolean): ErrorRow | undefined {
    this.isThere = false;
    let next = at + (isExpanded ? EXPANDED_BYTES : COMPACT_BYTES);
    if (next > end) return SFLOW_ERRORS.truncated;
    for (let left = word32(bytes, next - WORD_BYTES); left > 0; left--) {
      if (end - next < RECORD_HEAD_BYTES) return SFLOW_ERRORS.truncated;
      const format = word32(bytes, next);
      const length = word32(bytes, next + WORD_BYTES);
      const body = next + RECORD_HEAD_BYTES;
      next = body + padded(length);
      if (next > end) return SFLOW_ERRORS.truncated;
      if (format !== INTERFACE || this.isThere) continue;
      if (length < INTERFACE_BYTES) return SFLOW_ERRORS.truncated;
      this.index = word32(bytes, body);
      readDirection(bytes, body + IN_AT, this.incoming);
      readDirection(bytes, body + OUT_AT, this.outgoing);
      this.isThere = true;
    }
    return undefined;
  }
}

function readDirection(bytes: Uint8Array, at: number, into: Float64Array): void {
  const high = word32(bytes, at);
  const low = word32(bytes, at + WORD_BYTES);
  into[0] = high === UNKNOWN && low === UNKNOWN ? Number.NaN : high * WORD + low;
  for (let place = 1; place < into.length; place++) {
    const value = word32(bytes, at + OCTETS_BYTES + (place - 1) * WORD_BYTES);
    into[place] = value === UNKNOWN ? Number.NaN : value;
  }
}
