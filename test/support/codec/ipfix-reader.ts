import { formatAddress, formatMac } from '../../../src/base/ip.ts';

/** A plain reader of IPFIX (RFC 7011), based on the RFC and not on our writer. */

export interface ReadElement {
  readonly enterprise: number;
  readonly id: number;
  readonly length: number;
}

/** Values by `id`, or `enterprise/id`; addresses and MACs as text, other octets by their length. */
export type ReadRecord = ReadonlyMap<string, string | number>;

export interface ReadMessage {
  readonly length: number;
  readonly exportTimeS: number;
  readonly sequence: number;
  readonly domain: number;
  readonly sets: readonly number[];
  readonly records: readonly ReadRecord[];
}

const TEXTS = new Set(['82']);
const V4 = new Set(['8', '12', '130', '225', '226']);
const V6 = new Set(['27', '28', '131', '281', '282']);
const MACS = new Set(['56', '80']);
const DOUBLES = new Set(['311']);

/** Remembers the templates of one transport session. */
export class IpfixReader {
  readonly templates = new Map<number, readonly ReadElement[]>();

  /** One message, which must fill `bytes`. */
  read(bytes: Uint8Array): ReadMessage {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (view.getUint16(0) !== 10) throw new Error(`version ${view.getUint16(0)}`);
    const length = view.getUint16(2);
    if (length !== bytes.length) throw new Error(`length ${length} of ${bytes.length} bytes`);
    const sets: number[] = [];
    const records: ReadRecord[] = [];
    let at = 16;
    while (at < length) {
      const id = view.getUint16(at);
      const end = at + view.getUint16(at + 2);
      if (end > length || end < at + 4) throw new Error(`set ${id} ends at ${end} of ${length}`);
      sets.push(id);
      if (id === 2) this.#readTemplates(view, at + 4, end);
      else if (id === 3) this.#readOptionsTemplate(view, at + 4);
      else this.#readRecords(view, id, at + 4, end, records);
      at = end;
    }
    return {
      length,
      exportTimeS: view.getUint32(4),
      sequence: view.getUint32(8),
      domain: view.getUint32(12),
      sets,
      records,
    };
  }

  #readTemplates(view: DataView, start: number, end: number): void {
    for (let at = start; at < end; ) {
      const id = view.getUint16(at);
      const count = view.getUint16(at + 2);
      at += 4;
      const elements: ReadElement[] = [];
      for (let i = 0; i < count; i++) {
        const raw = view.getUint16(at);
        const isEnterprise = (raw & 0x8000) !== 0;
        const enterprise = isEnterprise ? view.getUint32(at + 4) : 0;
        elements.push({ enterprise, id: raw & 0x7fff, length: view.getUint16(at + 2) });
        at += isEnterprise ? 8 : 4;
      }
      this.templates.set(id, elements);
    }
  }

  /** RFC 7011, section 3.4.2.2; scope fields are read like the others. */
  #readOptionsTemplate(view: DataView, at: number): void {
    const elements = Array.from({ length: view.getUint16(at + 2) }, (_, index) => ({
      enterprise: 0,
      id: view.getUint16(at + 6 + index * 4),
      length: view.getUint16(at + 8 + index * 4),
    }));
    this.templates.set(view.getUint16(at), elements);
  }

  #readRecords(
    view: DataView,
    id: number,
    start: number,
    end: number,
    records: ReadRecord[],
  ): void {
    const elements = this.templates.get(id);
    if (elements === undefined) throw new Error(`no template ${id}`);
    for (let at = start; at < end; ) {
      const record = new Map<string, string | number>();
      for (const element of elements) {
        let { length } = element;
        if (length === 0xffff) {
          length = view.getUint8(at++);
          if (length === 255) {
            length = view.getUint16(at);
            at += 2;
          }
        }
        if (at + length > end) throw new Error(`record of template ${id} leaves its set`);
        const key =
          element.enterprise === 0 ? `${element.id}` : `${element.enterprise}/${element.id}`;
        const isText = element.length === 0xffff;
        record.set(key, readValue(view, at, length, isText ? 'text' : key));
        at += length;
      }
      records.push(record);
    }
  }
}

function readValue(view: DataView, at: number, length: number, key: string): string | number {
  const bytes = new Uint8Array(view.buffer, view.byteOffset + at, length);
  if (key === 'text' || TEXTS.has(key)) return new TextDecoder().decode(bytes);
  if (V4.has(key)) return bytes.join('.');
  if (V6.has(key)) return formatAddress(bytes);
  if (MACS.has(key)) return formatMac(view.getUint32(at, true), view.getUint16(at + 4, true));
  if (DOUBLES.has(key)) return view.getFloat64(at);
  let value = 0;
  for (const byte of bytes) value = value * 256 + byte;
  return value;
}
