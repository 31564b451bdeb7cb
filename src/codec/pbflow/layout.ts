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
import type { FieldSpec } from '../../flow/field.ts';
import { fieldByName } from '../../flow/fields.ts';
import { TLS_MISMATCH, TLS_TYPES } from '../../flow/names/tls.ts';
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
import { MessagePart, type Part, Tag } from './part.ts';
import {
  CODES,
  DNS_FLAGS,
  DURATIONS,
  formOf,
  LONG_DNS_CODES,
  RECORD,
  TIMESTAMP_UNITS,
  WIRE,
  type WireCodes,
} from './schema.ts';
import { SpanPart } from './spans.ts';

/** What parts read from: columns of the batch that is encoded, and what is made of its values. */
export interface Source {
  readonly layout: BatchLayout;
  /** In the order of the layout. */
  columns: readonly Column[];
  fragments: Fragments;
}

/** Found once per batch: a look-up by name for each block costs more than the block. */
export function columnsOf(batch: FlowBatch): readonly Column[] {
  return batch.layout.columns.map(({ name }) => batch.column(name));
}

/** The column of the batch that is being encoded. */
function columnOf<Of extends Column>(source: Source, name: string): () => Of {
  const at = source.layout.indexOf(name);
  return () => source.columns[at] as Of;
}

interface Numbered {
  readonly number: number;
  readonly part: Part;
}

/** Messages that the original's readers look into without asking whether they are there. */
const ALWAYS: readonly number[] = [RECORD.network, RECORD.transport];

const mismatches: WireCodes = {
  codeOf: (name) => (name.startsWith(TLS_MISMATCH) ? 1 : 0),
  nameOf: () => '',
};

const typeBits: WireCodes = {
  codeOf: (name) => TLS_TYPES.find(([known]) => known === name)?.[1] ?? 0,
  nameOf: () => '',
};

/** All that a batch of this layout has for a record, by field number. */
export function partsOf(source: Source): readonly Part[] {
  const { layout } = source;
  const top: Numbered[] = [];
  const inner = new Map<number, Numbered[]>(ALWAYS.map((number) => [number, []]));
  for (const { name } of layout.columns) {
    const field = fieldByName(name);
    if (field?.proto === undefined) continue;
    const [first, second] = field.proto.numbers;
    const number = assertExists(first, `field number of ${name}`);
    if (second === undefined || number === RECORD.networkEvents) {
      top.push(...fieldParts(field, number, source));
    } else if (number === RECORD.dupList) {
      // Its three fields make one list.
      if (!top.some((other) => other.number === number)) top.push(dupList(source));
    } else {
      const parts = inner.get(number) ?? [];
      inner.set(number, [...parts, ...fieldParts(field, second, source)]);
    }
  }
  for (const [number, parts] of inner) {
    const tag = new Tag(number, WIRE.bytes);
    top.push({ number, part: new MessagePart(tag, inOrder(parts), ALWAYS.includes(number)) });
  }
  if (!layout.has('TimeFlowRttNs')) {
    const tag = new Tag(RECORD.timeFlowRtt, WIRE.bytes);
    top.push({ number: RECORD.timeFlowRtt, part: new SpanPart(tag, 1, true, () => undefined) });
  }
  return inOrder(top);
}

function inOrder(parts: readonly Numbered[]): readonly Part[] {
  return [...parts].sort((a, b) => a.number - b.number).map(({ part }) => part);
}

function dupList(source: Source): Numbered {
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
  const tag = new Tag(RECORD.dupList, WIRE.bytes);
  return {
    number: RECORD.dupList,
    part: new DupListPart(tag, columns, () => source.fragments),
  };
}

/** The parts of one field, under `number` and what else belongs to it. */
function fieldParts(field: FieldSpec, number: number, source: Source): readonly Numbered[] {
  const { name } = field;
  const proto = assertExists(field.proto, `protobuf of ${name}`);
  const varint = new Tag(number, WIRE.varint);
  const bytes = new Tag(number, WIRE.bytes);
  const one = (part: Part): readonly Numbered[] => [{ number, part }];
  const doubles = columnOf<F64Column>(source, name);
  switch (formOf(field, proto.path)) {
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
      const units = assertExists(DURATIONS[proto.path], `unit of ${name}`);
      return one(new SpanPart(bytes, units, number === RECORD.timeFlowRtt, doubles));
    }
    case 'fragment':
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
  { limit, exact }: NonNullable<FieldSpec['proto']>,
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

/** Messages with the addresses of the flow's packets; other addresses go their own ways. */
const OF_PACKETS = /^(network|xlat)\./;

function dnsFlagsParts(
  { exact }: NonNullable<FieldSpec['proto']>,
  number: number,
  source: Source,
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

function fragmentPart(field: FieldSpec, number: number, source: Source): Part {
  const { name, kind } = field;
  const proto = assertExists(field.proto, `protobuf of ${name}`);
  const column = columnOf<IdColumn>(source, name);
  if (kind === 'addr') {
    const isOfPackets = OF_PACKETS.test(proto.path) && source.layout.has('Etype');
    const types = isOfPackets ? columnOf<U16Column>(source, 'Etype') : () => undefined;
    return new FragmentPart(new Tag(number, WIRE.bytes), {
      gather: (block, into) => gatherAddresses(block, column().values, types(), into),
      cache: () => source.fragments.addresses,
    });
  }
  if (proto.path === DNS_FLAGS.codePath) {
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

function codeParts(field: FieldSpec, number: number, source: Source): readonly Numbered[] {
  const { name } = field;
  const { path, exact } = assertExists(field.proto, `protobuf of ${name}`);
  const codes = assertExists(CODES[path], `codes of ${name}`);
  const column = columnOf<IdColumn>(source, name);
  const coded = (used: WireCodes, at: number): Numbered => ({
    number: at,
    part: new UintPart(new Tag(at, WIRE.varint), (block, into) =>
      gatherCodes(block, column(), source.fragments.codes(used), into),
    ),
  });
  const parts = [coded(codes, number)];
  if (path === 'ssl_version') parts.push(coded(mismatches, RECORD.sslMismatch));
  if (exact !== undefined) {
    // The text goes along where the code alone would be read as another.
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
