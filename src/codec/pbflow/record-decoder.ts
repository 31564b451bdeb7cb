import { assert } from '../../base/assert.ts';
import { type BatchLayout, type FlowBatch, pushList } from '../../flow/batch.ts';
import { PROTOBUF_ERRORS, protobufError } from '../errors.ts';
import { WIRE } from '../wire.ts';
import { WireReader } from '../wire-reader.ts';
import { commitRow, type OpenList, type OpenRow } from './commit.ts';
import { AddressReader, readEvent, readSpan } from './messages.ts';
import { DUP_ENTRY, ENTRIES } from './schema.ts';
import { type DecodedField, type Targets, targetsOf, type WireEntry } from './targets.ts';
import { TEXT_BYTES_MAX } from './text.ts';

/** Most bytes of one record that are read. */
export const RECORD_BYTES_MAX = 256 * 1024;
/** Most entries of one list of a flow that are read. */
export const LIST_ENTRIES_MAX = 256;

/**
 * Decodes records of `pbflow` into rows of batches, sent by our agents or by
 * `netobserv-ebpf-agent`.
 *
 * Fields without a column in the layout are skipped. A record that cannot be decoded throws a coded
 * error; the batch then has the rows before it, all of them complete.
 */
export class RecordDecoder {
  readonly #targets: Targets;
  readonly #layout: BatchLayout;
  readonly #reader = new WireReader(TEXT_BYTES_MAX);
  /** Numbers and ids of the record that is being decoded, by slot. */
  readonly #values: Float64Array;
  readonly #open: OpenRow;
  readonly #lists = new Map<string, OpenList>();
  readonly #addresses = new AddressReader();
  #batch: FlowBatch | undefined;

  constructor(layout: BatchLayout) {
    this.#layout = layout;
    this.#targets = targetsOf(layout);
    this.#values = new Float64Array(this.#targets.slots);
    this.#open = {
      targets: this.#targets,
      values: this.#values,
      lists: this.#lists,
      events: undefined,
      nowMs: 0,
    };
  }

  /** Adds a `Record` to the batch, which has room for it. */
  decode(bytes: Uint8Array<ArrayBuffer>, batch: FlowBatch, nowMs: number): void {
    this.#reader.reset(bytes, 0, bytes.length);
    this.#row(batch, nowMs, bytes.length);
  }

  /** Opens a `Records` message; `next` adds its entries to batches. */
  open(bytes: Uint8Array<ArrayBuffer>): void {
    this.#reader.reset(bytes, 0, bytes.length);
  }

  /** Adds entries until the batch is full or the message has no more; true: more entries remain. */
  next(batch: FlowBatch, nowMs: number): boolean {
    const reader = this.#reader;
    const messageEnd = reader.end;
    while (reader.at < messageEnd) {
      if (batch.length === batch.capacity) return true;
      const tag = reader.tag();
      if (tag !== ((ENTRIES << 3) | WIRE.bytes)) {
        reader.skip(tag & 7);
        continue;
      }
      const end = reader.length();
      try {
        this.#row(batch, nowMs, end);
      } finally {
        reader.end = messageEnd;
      }
    }
    return false;
  }

  #row(batch: FlowBatch, nowMs: number, end: number): void {
    const reader = this.#reader;
    assert(batch.layout === this.#layout, 'the batch has the layout of the decoder');
    assert(batch.length < batch.capacity, 'the batch has room for the record');
    if (end - reader.at > RECORD_BYTES_MAX) {
      const message = `a record has over ${RECORD_BYTES_MAX} bytes`;
      throw protobufError(PROTOBUF_ERRORS.tooLong, message, reader.at);
    }
    this.#begin(batch, nowMs);
    reader.end = end;
    while (reader.at < end) this.#field(reader.tag());
    commitRow(this.#open, batch);
  }

  #begin(batch: FlowBatch, nowMs: number): void {
    if (this.#batch !== batch) this.#bind(batch);
    const open = this.#open;
    this.#values.fill(0);
    open.events = undefined;
    open.nowMs = nowMs;
    for (const list of this.#lists.values()) {
      list.start = batch.length === 0 ? 0 : list.column.offsets[batch.length]!;
      list.end = list.start;
      list.isFilled = false;
    }
  }

  #bind(batch: FlowBatch): void {
    this.#batch = batch;
    for (const { name, kind } of batch.layout.columns) {
      if (kind !== 'list<str>' && kind !== 'list<u32>') continue;
      this.#lists.set(name, { column: batch.list(name), start: 0, end: 0, isFilled: false });
    }
  }

  #field(tag: number): void {
    const reader = this.#reader;
    const number = tag >>> 3;
    const wire = tag & 7;
    const entry = this.#targets.entries[number];
    if (entry === undefined) {
      reader.skip(wire);
      return;
    }
    switch (entry.kind) {
      case 'message':
        this.#message(entry, wire);
        return;
      case 'mismatch':
        if (wire !== WIRE.varint) {
          reader.skip(wire);
          return;
        }
        reader.varint();
        this.#values[entry.slot] = reader.low !== 0 || reader.high !== 0 ? 1 : 0;
        return;
      default:
        this.#value(entry.target, entry.kind === 'exact', wire);
    }
  }

  #message({ slot, inner }: Extract<WireEntry, { kind: 'message' }>, wire: number): void {
    const reader = this.#reader;
    if (wire !== WIRE.bytes) {
      reader.skip(wire);
      return;
    }
    this.#values[slot] = 1;
    const outerEnd = reader.end;
    reader.end = reader.length();
    while (reader.at < reader.end) {
      const tag = reader.tag();
      const target = inner[tag >>> 3];
      if (target === undefined) reader.skip(tag & 7);
      else this.#value(target, false, tag & 7);
    }
    reader.end = outerEnd;
  }

  /** A value of the wrong wire type is skipped, like an unknown field. */
  #value(target: DecodedField, isExact: boolean, wire: number): void {
    const reader = this.#reader;
    const batch = this.#batch!;
    if (target.form === 'dupList' && wire === WIRE.bytes) {
      this.#dupEntry(batch);
      return;
    }
    if (!target.wanted || wire !== wireOf(target, isExact)) {
      reader.skip(wire);
      return;
    }
    const slot = isExact ? target.exactSlot : target.slot;
    switch (isExact && target.form === 'code' ? 'fragment' : target.form) {
      case 'uint':
      case 'dnsFlags':
      case 'mask':
      case 'code':
        reader.varint();
        this.#values[slot] = reader.low;
        return;
      case 'double':
        this.#values[slot] = reader.double();
        return;
      case 'int':
        reader.varint();
        this.#values[slot] = reader.low | 0;
        return;
      case 'timestamp':
        this.#values[slot] = Math.floor(readSpan(reader, target.unitsPerSecond));
        return;
      case 'duration':
        this.#values[slot] = readSpan(reader, target.unitsPerSecond);
        return;
      case 'fragment':
      case 'dnsCode':
        this.#values[slot] = this.#fragment(target, batch);
        return;
      case 'texts':
        this.#push(target.name, batch.tables.strings.intern(reader.text()));
        return;
      case 'events':
        this.#event(target);
        return;
    }
  }

  #fragment({ kind, presence }: DecodedField, batch: FlowBatch): number {
    const reader = this.#reader;
    switch (kind) {
      case 'addr': {
        this.#addresses.read(reader, batch.tables.addresses);
        const { id, isZero } = this.#addresses;
        // `netobserv-ebpf-agent` sends zeros if nothing was translated.
        return isZero && presence === 'translated' ? 0 : id;
      }
      case 'mac': {
        reader.varint();
        const { low, high } = reader;
        if (low === 0 && high === 0) return 0;
        const first = ((high >>> 8) & 0xff) | ((high & 0xff) << 8);
        const second = (low >>> 24) | (((low >>> 16) & 0xff) << 8);
        const last = ((low >>> 8) & 0xff) | ((low & 0xff) << 8);
        return batch.tables.macs.intern((first | (second << 16)) >>> 0, last);
      }
      default:
        return batch.tables.strings.intern(reader.text());
    }
  }

  #dupEntry(batch: FlowBatch): void {
    const reader = this.#reader;
    const outerEnd = reader.end;
    reader.end = reader.length();
    let name = '';
    let direction = 0;
    let udn = '';
    while (reader.at < reader.end) {
      const tag = reader.tag();
      if (tag === ((DUP_ENTRY.interface << 3) | WIRE.bytes)) name = reader.text();
      else if (tag === ((DUP_ENTRY.udn << 3) | WIRE.bytes)) udn = reader.text();
      else if (tag === ((DUP_ENTRY.direction << 3) | WIRE.varint)) {
        reader.varint();
        direction = reader.low;
      } else reader.skip(tag & 7);
    }
    reader.end = outerEnd;
    const { strings } = batch.tables;
    this.#push('Interfaces', strings.intern(name));
    this.#push('IfDirections', direction);
    // Empty on all interfaces if networks are not mapped.
    this.#push('Udns', strings.intern(udn), udn === '');
  }

  #event({ name }: DecodedField): void {
    this.#open.events ??= [];
    if (this.#open.events.length === LIST_ENTRIES_MAX) throw this.#tooMany(name);
    this.#open.events.push(readEvent(this.#reader));
  }

  /** Adds to a list of the current row, if the layout has the list. */
  #push(name: string, value: number, isFiller = false): void {
    const list = this.#lists.get(name);
    if (list === undefined) return;
    if (list.end - list.start === LIST_ENTRIES_MAX) throw this.#tooMany(name);
    list.end = pushList(list.column, list.end, value);
    if (!isFiller) list.isFilled = true;
  }

  #tooMany(name: string): Error {
    const message = `${name} has over ${LIST_ENTRIES_MAX} entries`;
    return protobufError(PROTOBUF_ERRORS.tooLong, message, this.#reader.at);
  }
}

function wireOf({ form, kind }: DecodedField, isExact: boolean): number {
  switch (form) {
    case 'uint':
    case 'dnsFlags':
    case 'double':
    case 'int':
    case 'mask':
      return WIRE.varint;
    case 'code':
      return isExact ? WIRE.bytes : WIRE.varint;
    case 'fragment':
    case 'dnsCode':
      return kind === 'mac' ? WIRE.varint : WIRE.bytes;
    default:
      return WIRE.bytes;
  }
}
