import type { FlowBatch, NumberColumn } from '../../../flow/batch.ts';
import { hasBit, setBit } from '../../../flow/bits.ts';
import { Direction } from '../../../flow/enums.ts';
import type { FieldKind } from '../../../flow/field.ts';
import { IdMemo, UNKNOWN } from '../../../flow/id-memo.ts';
import { type InternTables, MISSING } from '../../../flow/intern.ts';
import type { StageContext, Transform } from '../../stage.ts';
import { requireKind } from '../require-kind.ts';

export interface DirectionFields {
  readonly reporterIPField: string;
  readonly srcHostField: string;
  readonly dstHostField: string;
  readonly flowDirectionField: string;
  readonly ifDirectionField?: string;
}

const { Ingress: INGRESS, Egress: EGRESS, Inner: INNER } = Direction;

/**
 * Restates each flow's direction from its node's point of view.
 *
 * The agent reports the direction at the interface that it sampled, which means nothing once flows
 * from several nodes are merged. Comparing the reporter with both hosts gives an answer that does
 * not depend on the interface.
 */
export function reinterpretDirection(fields: DirectionFields, context: StageContext): Transform {
  const { reporterIPField, srcHostField, dstHostField } = fields;
  const { flowDirectionField, ifDirectionField } = fields;
  const hosts = [reporterIPField, srcHostField, dstHostField] as const;
  const options = ['reporterIPField', 'srcHostField', 'dstHostField'] as const;
  const kinds = hosts.map((field, index) =>
    requireKind(context, options[index]!, field, ['addr', 'str']),
  );
  // Fields of one kind compare by id, others by the text of the addresses.
  const known = kinds.filter((kind) => kind !== undefined);
  const mixed = new Set<FieldKind>(known).size > 1;
  const texts = hosts.map(() => new TextIds());
  const written = [
    flowDirectionField,
    ...(ifDirectionField === undefined ? [] : [ifDirectionField]),
  ];
  return {
    kind: 'transform',
    name: 'reinterpret_direction',
    reads: [...hosts, ...written],
    writes: written.map((name) => ({ name, kind: 'u8' as const })),
    apply(batch: FlowBatch) {
      const direction = batch.column(flowDirectionField) as NumberColumn<'u8', Uint8Array>;
      if (ifDirectionField !== undefined) {
        const copy = batch.column(ifDirectionField) as NumberColumn<'u8', Uint8Array>;
        keepDirection(batch.length, direction, copy);
      }
      if (!batch.has(reporterIPField)) return;
      const [reporters, sources, targets] = hosts.map((field, index) => {
        if (!batch.has(field)) return new Uint32Array(batch.length);
        const ids = batch.ids(field);
        return mixed && kinds[index] === 'addr' ? texts[index]!.of(batch, ids) : ids;
      });
      const empty = mixed || known[0] === 'str' ? batch.tables.strings.find('') : MISSING;
      const { values, present } = direction;
      restate(batch.length, empty, reporters!, sources!, targets!, values, present);
    },
  };
}

/**
 * The sampled direction is copied to the interface's field; a flow without one keeps that field.
 */
function keepDirection(
  length: number,
  from: NumberColumn<'u8', Uint8Array>,
  to: NumberColumn<'u8', Uint8Array>,
): void {
  for (let row = 0; row < length; row++) {
    if (!hasBit(from.present, row)) continue;
    to.values[row] = from.values[row]!;
    setBit(to.present, row);
  }
}

// Interned, so equal ids mean equal hosts. The empty text counts as no host.
function restate(
  length: number,
  empty: number,
  reporters: Uint32Array,
  sources: Uint32Array,
  targets: Uint32Array,
  directions: Uint8Array,
  present: Uint32Array,
): void {
  for (let row = 0; row < length; row++) {
    const reporter = reporters[row]!;
    if (reporter === MISSING || reporter === empty) continue;
    const source = sources[row]!;
    const target = targets[row]!;
    if (source === target) {
      if (source === MISSING || source === empty) continue;
      directions[row] = INNER;
    } else if (source === reporter) directions[row] = EGRESS;
    else if (target === reporter) directions[row] = INGRESS;
    // Neither host is the reporter: the interface's direction stays.
    else continue;
    setBit(present, row);
  }
}

/** String ids of the texts of addresses. */
class TextIds {
  readonly #memo = new IdMemo();
  #ids = new Uint32Array(0);

  of(batch: FlowBatch, addresses: Uint32Array): Uint32Array {
    const { tables } = batch;
    const memo = this.#memo.for(tables, tables.addresses.size);
    if (this.#ids.length < batch.length) this.#ids = new Uint32Array(batch.capacity);
    const ids = this.#ids;
    for (let row = 0; row < batch.length; row++) {
      const address = addresses[row]!;
      let id = memo[address]!;
      if (id === UNKNOWN && address !== MISSING) {
        id = textId(tables, address);
        memo[address] = id;
      }
      ids[row] = id;
    }
    return ids;
  }
}

function textId(tables: InternTables, address: number): number {
  return tables.strings.intern(tables.addresses.text(address));
}
