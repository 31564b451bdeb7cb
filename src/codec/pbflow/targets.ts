import { assert, assertExists } from '../../base/assert.ts';
import type { BatchLayout } from '../../flow/batch.ts';
import { type FieldSpec, unitsPerSecond } from '../../flow/field.ts';
import { FIELDS } from '../../flow/fields.ts';
import type { ProtoContext, ProtoField, ProtoPresence } from '../../flow/wire.ts';
import { codesOf, type Form, formOf, isWhole, TIMESTAMP_UNITS, type WireCodes } from './schema.ts';

/** How to decode a field of the record. */
export interface DecodedField {
  readonly name: string;
  readonly form: Form;
  readonly kind: FieldSpec['kind'];
  /** Place of its number or id until the record has been read. */
  readonly slot: number;
  /** Slot of the value that does not fit the field itself; -1: the field has no such value. */
  readonly exactSlot: number;
  /** Slot of the boolean for the prefix of the text; -1: the text has no prefix. */
  readonly mismatchSlot: number;
  /**
   * Slot of the message around it, which is 1 once it was read; -1: the field is in the record
   * itself.
   */
  readonly messageSlot: number;
  readonly presence: ProtoPresence;
  readonly codes: WireCodes | undefined;
  /** For messages of seconds and nanoseconds. */
  readonly unitsPerSecond: number;
  /** False: neither a column nor another field needs it, so the decoder skips it. */
  readonly wanted: boolean;
}

/** A field number of `Record`. */
export type WireEntry =
  /** A field; its exact value goes to `exactSlot`. */
  | { readonly kind: 'field' | 'exact'; readonly target: DecodedField }
  | { readonly kind: 'mismatch'; readonly slot: number }
  | {
      readonly kind: 'message';
      readonly slot: number;
      readonly inner: readonly (DecodedField | undefined)[];
    };

type MessageEntry = Extract<WireEntry, { kind: 'message' }>;

/** Slots of the fields that decide the meaning of others. */
export type Context = Readonly<Record<ProtoContext | 'dnsFlagsExact', number>>;

export interface Targets {
  /** By field number of `Record`. */
  readonly entries: readonly (WireEntry | undefined)[];
  /** Targets that have a column in the layout. */
  readonly columns: readonly DecodedField[];
  readonly slots: number;
  readonly context: Context;
}

export function targetsOf(layout: BatchLayout): Targets {
  const entries: (WireEntry | undefined)[] = [];
  const columns: DecodedField[] = [];
  const context = new Map<keyof Context, number>();
  let slots = 0;
  for (const field of FIELDS) {
    const { proto } = field;
    if (proto === undefined) continue;
    const [number, second] = proto.numbers;
    assert(number !== undefined, `${field.name} has a field number`);
    const form = formOf(field, proto);
    let message: MessageEntry | undefined;
    if (second !== undefined && !isWhole(form)) {
      const known = entries[number];
      message = known?.kind === 'message' ? known : { kind: 'message', slot: slots++, inner: [] };
    }
    const target: DecodedField = {
      name: field.name,
      form,
      kind: field.kind,
      slot: slots++,
      exactSlot: proto.exact === undefined ? -1 : slots++,
      mismatchSlot: proto.mismatch === undefined ? -1 : slots++,
      messageSlot: message === undefined ? -1 : message.slot,
      presence: proto.presence ?? 'nonZero',
      codes: codesOf(proto),
      unitsPerSecond: unitsPerSecond(field.unit) ?? TIMESTAMP_UNITS,
      wanted: layout.has(field.name) || proto.context !== undefined,
    };
    if (layout.has(field.name)) columns.push(target);
    if (message === undefined || second === undefined) {
      entries[number] ??= { kind: 'field', target };
    } else {
      const inner = [...message.inner];
      inner[second] = target;
      entries[number] = { ...message, inner };
    }
    addRest(entries, context, proto, target);
  }
  return { entries, columns, slots, context: contextOf(context) };
}

/** Registers the other numbers of a field, and its slots for other fields. */
function addRest(
  entries: (WireEntry | undefined)[],
  slots: Map<keyof Context, number>,
  { exact, mismatch, context }: ProtoField,
  target: DecodedField,
): void {
  if (exact !== undefined) entries[exact] = { kind: 'exact', target };
  if (mismatch !== undefined) entries[mismatch] = { kind: 'mismatch', slot: target.mismatchSlot };
  if (context === undefined) return;
  slots.set(context, target.slot);
  if (context === 'dnsFlags') slots.set('dnsFlagsExact', target.exactSlot);
}

function contextOf(slots: ReadonlyMap<keyof Context, number>): Context {
  const slotOf = (context: keyof Context): number =>
    assertExists(slots.get(context), `field for ${context} in the field table`);
  return {
    etherType: slotOf('etherType'),
    protocol: slotOf('protocol'),
    dnsId: slotOf('dnsId'),
    dnsFlags: slotOf('dnsFlags'),
    dnsFlagsExact: slotOf('dnsFlagsExact'),
    dnsCode: slotOf('dnsCode'),
    dropCause: slotOf('dropCause'),
    ipsecStatus: slotOf('ipsecStatus'),
    ipsecReturned: slotOf('ipsecReturned'),
    translatedSource: slotOf('translatedSource'),
    translatedDestination: slotOf('translatedDestination'),
    tunnelType: slotOf('tunnelType'),
  };
}
