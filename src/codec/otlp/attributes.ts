import { type BatchLayout, type Column, EXTRAS, type FlowBatch } from '../../flow/batch.ts';
import { hasBit } from '../../flow/bits.ts';
import { tcpFlagNames } from '../../flow/enums.ts';
import { type InternTables, MISSING } from '../../flow/intern.ts';
import type { ByteBuffer } from '../byte-buffer.ts';
import {
  type ColumnPlan,
  type ColumnPlanOptions,
  columnPlans,
  type TextFragments,
  textFragments,
} from '../column-plan.ts';
import { FragmentCache } from '../fragment-cache.ts';
import { uintBytes } from '../varint.ts';
import { concat, field, fieldBytes, textField, writeHead } from '../wire-writer.ts';
import { ANY_VALUE, KEY_VALUE, VALUES } from './schema.ts';
import {
  anyValue,
  keyValue,
  NUMBER_BYTES_MAX,
  numberBytes,
  textValue,
  writeNumber,
} from './values.ts';

export interface AttributeOptions extends ColumnPlanOptions {
  /** Tag of the attributes in the message that they are in. */
  readonly tag: number;
  /** Key of a field's attribute; undefined: it has none. Default: the field's name. */
  readonly keyOf?: (name: string) => string | undefined;
}

interface Plan extends ColumnPlan {
  /** `KeyValue.key`. */
  readonly key: Uint8Array;
}

/** Room for tags and lengths around a value, besides its key. */
const HEADS_BYTES = 24;

/**
 * Writes the fields of flows as attributes of the OpenTelemetry protocol: whole numbers as
 * integers, texts, addresses and names as strings, lists as arrays.
 *
 * Keys are encoded once per layout and texts once per interned value.
 */
export class AttributeWriter {
  readonly #options: AttributeOptions;
  readonly #flags: FragmentCache;
  #layout: BatchLayout | undefined;
  #layoutPlans: readonly Plan[] = [];
  #plans: readonly Plan[] = [];
  #columns: readonly Column[] = [];
  #tables: InternTables | undefined;
  #caches: TextFragments | undefined;

  constructor(options: AttributeOptions) {
    this.#options = options;
    this.#flags = new FragmentCache((bits) => anyValue(tcpFlagNames(bits))!);
  }

  /** Called before the rows of a batch are written, and again after it has changed. */
  bind(batch: FlowBatch): void {
    if (this.#layout !== batch.layout) {
      this.#layout = batch.layout;
      this.#layoutPlans = plansOf(batch.layout, this.#options);
    }
    this.#plans = this.#layoutPlans.filter(({ name }) => batch.filled(name) !== undefined);
    this.#columns = this.#plans.map(({ name }) => batch.column(name));
    if (this.#tables === batch.tables && this.#caches !== undefined) return;
    this.#tables = batch.tables;
    this.#caches = textFragments(batch.tables, textValue);
  }

  /** Appends the attributes of a row of the batch. */
  write(buffer: ByteBuffer, row: number): void {
    const caches = this.#caches!;
    const plans = this.#plans;
    for (let i = 0; i < plans.length; i++) {
      const column = this.#columns[i]!;
      const plan = plans[i]!;
      switch (column.kind) {
        case 'str':
          this.#text(buffer, plan, caches.strings, column.values[row]!);
          break;
        case 'addr':
          this.#text(buffer, plan, caches.addresses, column.values[row]!);
          break;
        case 'mac':
          this.#text(buffer, plan, caches.macs, column.values[row]!);
          break;
        case 'list<u32>':
        case 'list<str>':
          this.#list(buffer, plan, column, row);
          break;
        case 'any':
          this.#any(buffer, plan, column.values[row]);
          break;
        default:
          if (hasBit(column.present, row)) this.#number(buffer, plan, column.values[row]!);
      }
    }
  }

  #text(buffer: ByteBuffer, plan: Plan, cache: FragmentCache, id: number): void {
    if (id !== MISSING) this.#fragment(buffer, plan, cache, id);
  }

  #fragment(buffer: ByteBuffer, plan: Plan, cache: FragmentCache, id: number): void {
    const end = cache.load(id);
    const start = cache.start(id);
    this.#open(buffer, plan, end - start);
    buffer.copy(cache.bytes, start, end);
  }

  #number(buffer: ByteBuffer, plan: Plan, value: number): void {
    if ((value === 0 && plan.omitZero) || !Number.isFinite(value)) return;
    switch (plan.form) {
      case 'flags':
        this.#fragment(buffer, plan, this.#flags, value);
        break;
      case 'boolean':
        this.#open(buffer, plan, 2);
        buffer.bytes[buffer.length++] = ANY_VALUE.bool;
        buffer.bytes[buffer.length++] = value === 0 ? 0 : 1;
        break;
      default: {
        const number = plan.form === 'whole' ? Math.trunc(value) : value;
        this.#open(buffer, plan, numberBytes(number));
        writeNumber(buffer, number);
      }
    }
  }

  #list(
    buffer: ByteBuffer,
    plan: Plan,
    column: Extract<Column, { readonly kind: 'list<u32>' | 'list<str>' }>,
    row: number,
  ): void {
    const { offsets, values } = column;
    const [start, end] = [offsets[row]!, offsets[row + 1]!];
    if (end <= start) return;
    const texts = column.kind === 'list<str>' ? this.#caches!.strings : undefined;
    let length = 0;
    for (let i = start; i < end; i++) {
      const id = values[i]!;
      length += fieldBytes(
        texts === undefined ? numberBytes(id) : texts.load(id) - texts.start(id),
      );
    }
    this.#open(buffer, plan, fieldBytes(length));
    writeHead(buffer, ANY_VALUE.array, length);
    for (let i = start; i < end; i++) {
      const id = values[i]!;
      if (texts === undefined) {
        writeHead(buffer, VALUES, numberBytes(id));
        writeNumber(buffer, id);
      } else {
        const to = texts.load(id);
        const from = texts.start(id);
        writeHead(buffer, VALUES, to - from);
        buffer.copy(texts.bytes, from, to);
      }
    }
  }

  /** Rare: values of unknown kind, and keys that only the data define. */
  #any(buffer: ByteBuffer, plan: Plan, value: unknown): void {
    if (value === undefined || value === null) return;
    if (plan.name !== EXTRAS) {
      const bytes = anyValue(value);
      if (bytes === undefined) return;
      this.#open(buffer, plan, bytes.length);
      buffer.copy(bytes, 0, bytes.length);
      return;
    }
    const { tag, keyOf = sameKey } = this.#options;
    for (const [name, each] of Object.entries(value)) {
      const key = keyOf(name);
      const bytes = anyValue(each);
      if (key === undefined || bytes === undefined) continue;
      const attribute = field(tag, keyValue(key, bytes));
      buffer.reserve(attribute.length);
      buffer.copy(attribute, 0, attribute.length);
    }
  }

  /** Writes all of an attribute except the `AnyValue` of `length` bytes, with room for that. */
  #open(buffer: ByteBuffer, { key }: Plan, length: number): void {
    buffer.reserve(HEADS_BYTES + key.length + length + NUMBER_BYTES_MAX);
    writeHead(buffer, this.#options.tag, key.length + 1 + uintBytes(length) + length);
    buffer.copy(key, 0, key.length);
    writeHead(buffer, KEY_VALUE.value, length);
  }
}

function plansOf(layout: BatchLayout, options: AttributeOptions): readonly Plan[] {
  const { keyOf = sameKey } = options;
  return columnPlans(layout, options).flatMap((plan): readonly Plan[] => {
    const key = plan.name === EXTRAS ? '' : keyOf(plan.name);
    return key === undefined ? [] : [{ ...plan, key: textField(KEY_VALUE.key, key) }];
  });
}

const sameKey = (name: string): string | undefined => name;

/** Attributes that are the same for all flows. */
export function fixedAttributes(
  tag: number,
  attributes: Readonly<Record<string, string>>,
): Uint8Array<ArrayBuffer> {
  const parts = Object.entries(attributes).map(([key, text]) =>
    field(tag, keyValue(key, textValue(text))),
  );
  return concat(...parts);
}
