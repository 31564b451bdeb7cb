import { assert } from '../../base/assert.ts';
import type { BatchLayout, FlowBatch } from '../../flow/batch.ts';
import { EtherType } from '../../flow/enums.ts';
import type { InternTables } from '../../flow/intern.ts';
import { MISSING } from '../../flow/intern.ts';
import type { FragmentCache } from '../fragment-cache.ts';
import { type Records, RUN_RECORDS } from './ipfix-columns.ts';
import { LIST_MAX_BYTES, type Scratch, writerOf } from './ipfix-fields.ts';
import { MESSAGE_HEADER_BYTES, writeHeader } from './ipfix-message.ts';
import { type OptionsSet, samplingOption } from './ipfix-options.ts';
import {
  type IpfixTemplate,
  type TemplateOptions,
  templateSet,
  templatesFor,
} from './ipfix-template.ts';
import { addListSizes, addTextSizes, textCache } from './ipfix-texts.ts';

const SET_HEADER_BYTES = 4;

export interface IpfixOptions extends TemplateOptions {
  /** Observation domain; `netobserv-ebpf-agent` uses 1. */
  readonly domain: number;
  /** At most 65,535. A message is larger only if a single record is. */
  readonly messageMaxBytes: number;
  /** One packet in this many is sampled, as an options record reports; 0: no such record. */
  readonly samplingOption: number;
}

/** A message whose header has no time and sequence number yet. */
export interface IpfixMessage {
  readonly bytes: Uint8Array;
  readonly records: number;
  readonly packets: number;
  readonly octets: number;
}

/** The templates and options records that a collector needs before it can read records. */
export interface IpfixPreamble {
  readonly bytes: Uint8Array;
  /** Options records count as data records. */
  readonly records: number;
}

/**
 * Encodes batches as IPFIX (RFC 7011): two templates, many records per message, one pass over each
 * column.
 *
 * A message has one set, and a template set one template: some readers read only the first. So
 * flows of IPv4 come first; the order of flows in a batch means nothing. A record without packets
 * (of an unanswered query, for example) has nothing that an IPFIX element could express: it is left
 * out.
 */
export class IpfixWriter {
  readonly #layout: BatchLayout;
  readonly #options: IpfixOptions;
  readonly #templates: readonly [v4: IpfixTemplate, v6: IpfixTemplate];
  readonly #preamble: readonly OptionsSet[];
  #tables: InternTables | undefined;
  #texts: FragmentCache | undefined;
  #sizes = new Uint32Array(0);
  #cursors = new Uint32Array(0);
  #rows = new Uint32Array(0);
  readonly #scratch: Scratch = {
    values: new Float64Array(RUN_RECORDS),
    others: new Float64Array(RUN_RECORDS),
  };

  constructor(layout: BatchLayout, options: IpfixOptions) {
    this.#layout = layout;
    this.#options = options;
    this.#templates = templatesFor(layout, options);
    const sets = this.#templates.map((template) => ({ bytes: templateSet(template), records: 0 }));
    this.#preamble = [...sets, ...samplingOption(options.domain, options.samplingOption)];
  }

  /** Messages with the templates and the options records. */
  preamble(): readonly IpfixPreamble[] {
    return this.#preamble.map(({ bytes: set, records }) => {
      const bytes = new Uint8Array(MESSAGE_HEADER_BYTES + set.length);
      writeHeader(bytes, 0, bytes.length, this.#options.domain);
      bytes.set(set, MESSAGE_HEADER_BYTES);
      return { bytes, records };
    });
  }

  /** Encodes the selected flows in separate buffers. */
  encode(batch: FlowBatch): readonly IpfixMessage[] {
    assert(batch.layout === this.#layout, 'a batch has the layout that its writer was made for');
    this.#reserve(batch.selected);
    const [v4Count, count] = this.#order(batch);
    const texts = this.#textsOf(batch.tables);
    this.#measure(batch, texts, v4Count, count);
    const frames = this.#frame(v4Count, count);
    for (const [index, template] of this.#templates.entries()) {
      const [first, last] = index === 0 ? [0, v4Count] : [v4Count, count];
      const writers = template.fields.map((field) => writerOf(field, batch, texts));
      for (let from = first; from < last; from += RUN_RECORDS) {
        const to = Math.min(from + RUN_RECORDS, last);
        const records: Records = { ...frames, cursors: this.#cursors, rows: this.#rows, from, to };
        for (const write of writers) write(records, this.#scratch);
      }
    }
    return this.#split(batch, frames);
  }

  #reserve(count: number): void {
    if (this.#rows.length >= count) return;
    this.#rows = new Uint32Array(count);
    this.#sizes = new Uint32Array(count);
    this.#cursors = new Uint32Array(count);
  }

  #textsOf(tables: InternTables): FragmentCache {
    if (this.#texts === undefined || this.#tables !== tables) {
      this.#tables = tables;
      this.#texts = textCache(tables);
    }
    return this.#texts;
  }

  /**
   * Puts the rows of IPv4 first. Returns their number, and the number of all rows with packets. An
   * IPv6 packet may bear an address that stands for IPv4: the EtherType decides the family.
   */
  #order(batch: FlowBatch): readonly [v4Count: number, count: number] {
    const sources = batch.ids('SrcAddr');
    const types = batch.has('Etype') ? batch.u16('Etype') : undefined;
    const typed = types === undefined ? NO_WORDS : batch.present('Etype');
    const packets = batch.has('Packets') ? batch.f64('Packets') : undefined;
    const counted = packets === undefined ? NO_WORDS : batch.present('Packets');
    const { addresses } = batch.tables;
    const rows = this.#rows;
    const { selection, selected } = batch;
    let front = 0;
    let back = selected;
    for (let index = 0; index < selected; index++) {
      const row = selection === undefined ? index : selection[index]!;
      const isCounted = packets !== undefined && (counted[row >>> 5]! >>> (row & 31)) & 1;
      if (isCounted && packets[row] === 0) continue;
      const id = sources[row]!;
      const isTypedV6 =
        types !== undefined && types[row] === IPV6 && (typed[row >>> 5]! >>> (row & 31)) & 1;
      if (isTypedV6 || (id !== MISSING && !addresses.isV4(id))) rows[--back] = row;
      else rows[front++] = row;
    }
    rows.copyWithin(front, back, selected);
    return [front, front + selected - back];
  }

  #measure(batch: FlowBatch, texts: FragmentCache, v4Count: number, count: number): void {
    const sizes = this.#sizes;
    const [v4, v6] = this.#templates;
    sizes.fill(v4.fixedBytes, 0, v4Count);
    sizes.fill(v6.fixedBytes, v4Count, count);
    // Both templates have the same variable-length elements.
    const all = { bytes: NO_BYTES, cursors: sizes, rows: this.#rows, from: 0, to: count };
    for (const field of v4.fields) {
      if (field.type !== 'string') continue;
      const column = batch.column(field.column);
      if (field.form === 'comma-list') {
        const list = batch.list(field.column);
        const items = list.kind === 'list<str>' ? texts : undefined;
        addListSizes(all, sizes, list, items, LIST_MAX_BYTES);
      } else if (column.kind === 'list<str>') {
        addTextSizes(all, sizes, column, texts);
      } else {
        addTextSizes(all, sizes, batch.ids(field.column), texts);
      }
    }
  }

  /** Assigns each record its place, and writes the headers of a message and its set around them. */
  #frame(v4Count: number, count: number): Frames {
    const { messageMaxBytes, domain } = this.#options;
    const sizes = this.#sizes;
    const cursors = this.#cursors;
    let total = 0;
    for (let i = 0; i < count; i++) total += sizes[i]!;
    // In the worst case each record has its own message.
    const room = total + count * (MESSAGE_HEADER_BYTES + SET_HEADER_BYTES);
    const bytes = new Uint8Array(room);
    const view = new DataView(bytes.buffer);
    const starts: number[] = [];
    const firsts: number[] = [];
    let at = 0;
    let message = 0;
    let family = -1;
    const close = (): void => {
      view.setUint16(message + MESSAGE_HEADER_BYTES + 2, at - message - MESSAGE_HEADER_BYTES);
      writeHeader(bytes, message, at - message, domain);
    };
    for (let i = 0; i < count; i++) {
      const own = i < v4Count ? 0 : 1;
      if (own !== family || at - message + sizes[i]! > messageMaxBytes) {
        if (family >= 0) close();
        family = own;
        message = at;
        starts.push(at);
        firsts.push(i);
        view.setUint16(at + MESSAGE_HEADER_BYTES, this.#templates[own]!.id);
        at += MESSAGE_HEADER_BYTES + SET_HEADER_BYTES;
      }
      cursors[i] = at;
      at += sizes[i]!;
    }
    if (count > 0) close();
    starts.push(at);
    firsts.push(count);
    return { bytes, starts, firsts };
  }

  #split(batch: FlowBatch, { bytes, starts, firsts }: Frames): readonly IpfixMessage[] {
    const messages: IpfixMessage[] = [];
    for (let index = 0; index + 1 < starts.length; index++) {
      const from = firsts[index]!;
      const to = firsts[index + 1]!;
      messages.push({
        // A view of the batch's buffer, which is released with the last message.
        bytes: bytes.subarray(starts[index]!, starts[index + 1]!),
        records: to - from,
        packets: sum(batch, 'Packets', this.#rows, from, to),
        octets: sum(batch, 'Bytes', this.#rows, from, to),
      });
    }
    return messages;
  }
}

const IPV6 = EtherType.IPv6;
const NO_BYTES = new Uint8Array(0);
const NO_WORDS = new Uint32Array(0);

interface Frames {
  readonly bytes: Uint8Array;
  /** Start of each message, and end of the last one. */
  readonly starts: readonly number[];
  /** The first record of each message, and the number of records. */
  readonly firsts: readonly number[];
}

function sum(batch: FlowBatch, name: string, rows: Uint32Array, from: number, to: number): number {
  if (!batch.has(name)) return 0;
  const values = batch.f64(name);
  const present = batch.present(name);
  let total = 0;
  for (let i = from; i < to; i++) {
    const row = rows[i]!;
    if ((present[row >>> 5]! >>> (row & 31)) & 1) total += values[row]!;
  }
  return total;
}
