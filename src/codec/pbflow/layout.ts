import { assertExists } from '../../base/assert.ts';
import type {
  AnyColumn,
  BatchLayout,
  Column,
  F64Column,
  FlowBatch,
  IdColumn,
  ListColumn,
  U8Column,
  U16Column,
  U32Column,
} from '../../flow/batch.ts';
import { type FieldSpec, unitsPerSecond } from '../../flow/field.ts';
import { FIELDS, fieldByName } from '../../flow/fields.ts';
import { TLS_MISMATCH, TLS_TYPES } from '../../flow/names/tls.ts';
import type { ProtoField } from '../../flow/wire.ts';
import { WIRE } from '../wire.ts';
import {
  FragmentPart,
  type Fragments,
  gatherAddresses,
  gatherIds,
  gatherMarkedIds,
} from './fragments.ts';
import { DupListPart, EventsPart, gatherMasks, TextsPart } from './lists.ts';
import {
  DoublePart,
  gatherAbove,
  gatherCodes,
  gatherDnsFlags,
  gatherLimited,
  gatherSigned,
  gatherUints,
  UintPart,
} from './numbers.ts';
import { MessagePart, Tag, type WirePart } from './part.ts';
import {
  codesOf,
  formOf,
  isWhole,
  LONG_DNS_CODES,
  TIMESTAMP_UNITS,
  type WireCodes,
} from './schema.ts';
import { SpanPart } from './spans.ts';

/** The batch that is being encoded: its columns, and fragments of bytes made of its values. */
export interface WireColumns {
  readonly layout: BatchLayout;
  /** In the order of the layout. */
  columns: readonly Column[];
  fragments: Fragments;
}

/** Looked up once per batch: a look-up by name for each block costs more than the block. */
export function columnsOf(batch: FlowBatch): readonly Column[] {
  return batch.layout.columns.map(({ name }) => batch.column(name));
}

/** The column of the batch that is being encoded. */
function columnOf<Of extends Column>(source: WireColumns, name: string): () => Of {
  const at = source.layout.indexOf(name);
  return () => source.columns[at] as Of;
}

interface Numbered {
  readonly number: number;
  readonly part: WirePart;
}

/** Numbers of the messages that are sent even when they are empty. */
const REQUIRED: ReadonlySet<number> = new Set(
  FIELDS.flatMap(({ proto }) => (proto?.isRequired ? proto.numbers.slice(0, 1) : [])),
);

const mismatches: WireCodes = {
  codeOf: (name) => (name.startsWith(TLS_MISMATCH) ? 1 : 0),
  nameOf: () => '',
};

const typeBits: WireCodes = {
  codeOf: (name) => TLS_TYPES.find(([known]) => known === name)?.[1] ?? 0,
  nameOf: () => '',
};

/** The parts of a record that a batch of this layout can fill, by field number. */
export function partsOf(source: WireColumns): readonly WirePart[] {
  const { layout } = source;
  const top: Numbered[] = [];
  const inner = new Map<number, Numbered[]>();
  for (const { name } of layout.columns) {
    const field = fieldByName(name);
    if (field?.proto === undefined) continue;
    const [first, second] = field.proto.numbers;
    const number = assertExists(first, `field number of ${name}`);
    const form = formOf(field, field.proto);
    if (form === 'dupList') {
      // Its three fields make one list.
      if (!top.some((other) => other.number === number)) top.push(dupList(number, source));
    } else if (second === undefined || isWhole(form)) {
      top.push(...fieldParts(field, number, source));
    } else {
      const parts = inner.get(number) ?? [];
      inner.set(number, [...parts, ...fieldParts(field, second, source)]);
    }
  }
  for (const number of REQUIRED) {
    if (!top.some((other) => other.number === number)) inner.set(number, inner.get(number) ?? []);
  }
  for (const [number, parts] of inner) {
    const tag = new Tag(number, WIRE.bytes);
    top.push({ number, part: new MessagePart(tag, inOrder(parts), REQUIRED.has(number)) });
  }
  return inOrder(top);
}

function inOrder(parts: readonly Numbered[]): readonly WirePart[] {
  return [...parts].sort((a, b) => a.number - b.number).map(({ part }) => part);
}

function dupList(number: number, source: WireColumns): Numbered {
  const listOf = (name: string): (() => ListColumn | undefined) =>
    source.layout.has(name) ? columnOf<ListColumn>(source, name) : () => undefined;
  const interfaces = listOf('Interfaces');
  const directions = listOf('IfDirections');
  const udns = listOf('Udns');
  const columns = () => ({
    interfaces: interfaces(),
    directions: directions(),
    udns: udns(),
  });
  const tag = new Tag(number, WIRE.bytes);
  return { number, part: new DupListPart(tag, columns, () => source.fragments) };
}

/** The parts of one field: the one under `number`, and others that belong to it. */
function fieldParts(field: FieldSpec, number: number, source: WireColumns): readonly Numbered[] {
  const { name } = field;
  const proto = assertExists(field.proto, `protobuf of ${name}`);
  const varint = new Tag(number, WIRE.varint);
  const bytes = new Tag(number, WIRE.bytes);
  const one = (part: WirePart): readonly Numbered[] => [{ number, part }];
  const doubles = columnOf<F64Column>(source, name);
  switch (formOf(field, proto)) {
    case 'uint': {
      const column = columnOf<SmallColumn>(source, name);
      return one(new UintPart(varint, (block, into) => gatherUints(block, column(), into)));
    }
    case 'dnsFlags':
      return dnsFlagsParts(proto, number, source);
    case 'double':
      return doubleParts(proto, number, doubles);
    case 'int':
      return one(new DoublePart(varint, (block, into) => gatherSigned(block, doubles(), into)));
    case 'timestamp':
      return one(new SpanPart(bytes, TIMESTAMP_UNITS, false, doubles));
    case 'duration': {
      const units = assertExists(unitsPerSecond(field.unit), `unit of ${name}`);
      return one(new SpanPart(bytes, units, REQUIRED.has(number), doubles));
    }
    case 'fragment':
    case 'dnsCode':
      return one(fragmentPart(field, number, source));
    case 'code':
      return codeParts(field, number, source);
    case 'texts': {
      const column = columnOf<ListColumn>(source, name);
      return one(new TextsPart(bytes, column, () => source.fragments.strings));
    }
    case 'mask': {
      const column = columnOf<ListColumn>(source, name);
      return one(
        new UintPart(varint, (block, into) =>
          gatherMasks(block, column(), source.fragments.codes(typeBits), into),
        ),
      );
    }
    case 'events':
      return one(new EventsPart(bytes, columnOf<AnyColumn>(source, name)));
    case 'dupList':
      throw new Error(`assertion failed: ${name} is part of a list`);
  }
}

type SmallColumn = U8Column | U16Column | U32Column;

function doubleParts(
  { limit, exact }: ProtoField,
  number: number,
  column: () => F64Column,
): readonly Numbered[] {
  const most = limit ?? Number.MAX_SAFE_INTEGER;
  const tag = new Tag(number, WIRE.varint);
  const limited: Numbered = {
    number,
    part: new DoublePart(tag, (block, into) => gatherLimited(block, column(), most, into)),
  };
  if (limit === undefined || exact === undefined) return [limited];
  const whole = new DoublePart(new Tag(exact, WIRE.varint), (block, into) =>
    gatherAbove(block, column(), limit, into),
  );
  return [limited, { number: exact, part: whole }];
}

function dnsFlagsParts(
  { exact }: ProtoField,
  number: number,
  source: WireColumns,
): readonly Numbered[] {
  const words = columnOf<U16Column>(source, 'DnsFlags');
  const part = (at: number, isExact: boolean): Numbered => ({
    number: at,
    part: new UintPart(new Tag(at, WIRE.varint), (block, into) => {
      const codes = { ids: names().values, long: source.fragments.codes(LONG_DNS_CODES) };
      return gatherDnsFlags(block, words(), codes, isExact, into);
    }),
  });
  const names = columnOf<IdColumn>(source, 'DnsFlagsResponseCode');
  if (source.layout.has('DnsFlagsResponseCode') && exact !== undefined) {
    return [part(number, false), part(exact, true)];
  }
  const tag = new Tag(number, WIRE.varint);
  return [{ number, part: new UintPart(tag, (block, into) => gatherUints(block, words(), into)) }];
}

function fragmentPart(field: FieldSpec, number: number, source: WireColumns): WirePart {
  const { name, kind } = field;
  const proto = assertExists(field.proto, `protobuf of ${name}`);
  const column = columnOf<IdColumn>(source, name);
  if (kind === 'addr') {
    const isTyped = proto.isOfPacket === true && source.layout.has('Etype');
    const types = isTyped ? columnOf<U16Column>(source, 'Etype') : () => undefined;
    return new FragmentPart(new Tag(number, WIRE.bytes), {
      gather: (block, into) => gatherAddresses(block, column().values, types(), into),
      cache: () => source.fragments.addresses,
    });
  }
  if (formOf(field, proto) === 'dnsCode') {
    return new FragmentPart(new Tag(number, WIRE.bytes), {
      gather: (block, into) =>
        gatherMarkedIds(block, column().values, source.fragments.codes(LONG_DNS_CODES), into),
      cache: () => source.fragments.strings,
    });
  }
  const isMac = kind === 'mac';
  return new FragmentPart(new Tag(number, isMac ? WIRE.varint : WIRE.bytes), {
    gather: (block, into) => gatherIds(block, column().values, into),
    cache: () => (isMac ? source.fragments.macs : source.fragments.strings),
  });
}

function codeParts(field: FieldSpec, number: number, source: WireColumns): readonly Numbered[] {
  const { name } = field;
  const proto = assertExists(field.proto, `protobuf of ${name}`);
  const codes = assertExists(codesOf(proto), `codes of ${name}`);
  const { exact, mismatch } = proto;
  const column = columnOf<IdColumn>(source, name);
  const coded = (used: WireCodes, at: number): Numbered => ({
    number: at,
    part: new UintPart(new Tag(at, WIRE.varint), (block, into) =>
      gatherCodes(block, column(), source.fragments.codes(used), into),
    ),
  });
  const parts = [coded(codes, number)];
  if (mismatch !== undefined) parts.push(coded(mismatches, mismatch));
  if (exact !== undefined) {
    // The text is sent as well if the code alone would be read as another text.
    const misread: WireCodes = {
      codeOf: (text) => (codes.nameOf(codes.codeOf(text)) === text ? 0 : 1),
      nameOf: () => '',
    };
    const part = new FragmentPart(new Tag(exact, WIRE.bytes), {
      gather: (block, into) =>
        gatherMarkedIds(block, column().values, source.fragments.codes(misread), into),
      cache: () => source.fragments.strings,
    });
    parts.push({ number: exact, part });
  }
  return parts;
}
