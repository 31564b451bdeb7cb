import {
  type BatchLayout,
  type Column,
  type FlowBatch,
  type ListColumn,
  pushList,
} from '../../flow/batch.ts';
import { setBit } from '../../flow/bits.ts';
import { WHOLE_NUMBER_MAX } from '../../flow/field.ts';
import { type InternTables, MISSING } from '../../flow/intern.ts';
import { beginRow, type CoercionFailures, storeValue } from '../../flow/row.ts';
import { LineTokens, TOKEN, textOf } from './line-tokens.ts';
import { JSON_LINE_MAX_BYTES, readJsonLine } from './reader.ts';
import { TextIds } from './text-ids.ts';

/**
 * Adds the flows of lines of JSON to batches, with the result of `readJsonLine`.
 *
 * Regular lines (see `LineTokens`) are read octet by octet: a text that was read lately is found by
 * its octets, and most values need no object. The others are left to `readJsonLine`.
 */
export class JsonLineReader {
  #layout: BatchLayout | undefined;
  #tokens: LineTokens | undefined;
  #tables: InternTables | undefined;
  #strings = new TextIds();
  #addresses = new TextIds();
  #macs = new TextIds();

  /** As `readJsonLine`. */
  read(batch: FlowBatch, line: Uint8Array, failures: CoercionFailures): boolean {
    if (batch.length === batch.capacity) return false;
    const tokens = this.#bind(batch);
    if (line.length > JSON_LINE_MAX_BYTES || !tokens.read(line)) {
      return readJsonLine(batch, line, failures);
    }
    const row = beginRow(batch);
    for (let token = 0; token < tokens.count; token = tokens.after(token)) {
      const index = tokens.indexes[token]!;
      if (index < 0 || tokens.types[token] === TOKEN.null) continue;
      const column = batch.columnAt(index);
      if (this.#store(column, row, line, token)) continue;
      const { name } = batch.layout.columns[index]!;
      const value = tokens.valueAt(line, token);
      if (!storeValue(column, row, value, name, batch.tables)) {
        failures.set(name, (failures.get(name) ?? 0) + 1);
      } else if (tokens.types[token] === TOKEN.text) this.#keep(column, row, line, token);
    }
    return true;
  }

  #bind({ layout, tables }: FlowBatch): LineTokens {
    if (this.#tables !== tables) {
      this.#tables = tables;
      this.#strings = new TextIds();
      this.#addresses = new TextIds();
      this.#macs = new TextIds();
    }
    if (this.#tokens === undefined || this.#layout !== layout) {
      this.#layout = layout;
      this.#tokens = new LineTokens(layout);
    }
    return this.#tokens;
  }

  /** Stores the usual values of a column. False: it is another one. */
  #store(column: Column, row: number, line: Uint8Array, token: number): boolean {
    const { types, values } = this.#tokens!;
    const type = types[token]!;
    const value = values[token]!;
    switch (column.kind) {
      case 'u8':
      case 'u16':
      case 'u32':
        if (type !== TOKEN.number || !isWhole(value, WHOLE_NUMBER_MAX[column.kind])) return false;
        break;
      case 'f64':
        if (type !== TOKEN.number || !Number.isFinite(value)) return false;
        break;
      case 'list<u32>':
      case 'list<str>':
        return type === TOKEN.list && this.#storeList(column, row, line, token);
      case 'any':
        return false;
      default: {
        if (type !== TOKEN.text) return false;
        const id = this.#find(this.#idsOf(column), line, token);
        column.values[row] = id;
        return id !== MISSING;
      }
    }
    column.values[row] = value;
    setBit(column.present, row);
    return true;
  }

  #storeList(column: ListColumn, row: number, line: Uint8Array, list: number): boolean {
    const { types, values } = this.#tokens!;
    const last = list + values[list]!;
    let end = column.offsets[row]!;
    for (let item = list + 1; item <= last; item++) {
      if (column.kind === 'list<u32>') {
        const value = values[item]!;
        if (types[item] !== TOKEN.number || !isWhole(value, WHOLE_NUMBER_MAX.u32)) return false;
        end = pushList(column, end, value);
      } else {
        if (types[item] !== TOKEN.text) return false;
        end = pushList(column, end, this.#string(line, item));
      }
    }
    column.offsets[row + 1] = end;
    return true;
  }

  #string(line: Uint8Array, token: number): number {
    const known = this.#find(this.#strings, line, token);
    if (known !== MISSING) return known;
    const { from, to, values } = this.#tokens!;
    const id = this.#tables!.strings.intern(textOf(line, from[token]!, to[token]!));
    this.#strings.keep(line, from[token]!, to[token]!, values[token]!, id);
    return id;
  }

  #find(ids: TextIds, line: Uint8Array, token: number): number {
    const { from, to, values } = this.#tokens!;
    return ids.find(line, from[token]!, to[token]!, values[token]!);
  }

  /** Keeps the id that a text was given. */
  #keep(column: Column, row: number, line: Uint8Array, token: number): void {
    if (column.kind !== 'str' && column.kind !== 'addr' && column.kind !== 'mac') return;
    const { from, to, values } = this.#tokens!;
    const id = column.values[row]!;
    this.#idsOf(column).keep(line, from[token]!, to[token]!, values[token]!, id);
  }

  #idsOf({ kind }: Column): TextIds {
    if (kind === 'addr') return this.#addresses;
    return kind === 'mac' ? this.#macs : this.#strings;
  }
}

function isWhole(value: number, most: number): boolean {
  return value >= 0 && value <= most && Math.floor(value) === value;
}
