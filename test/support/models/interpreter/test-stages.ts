import { Type } from 'typebox';
import type { FlowBatch } from '../../../../src/flow/batch.ts';
import { hasBit, setBit } from '../../../../src/flow/bits.ts';
import { FIELDS } from '../../../../src/flow/fields.ts';
import type { Inlet } from '../../../../src/pipeline/graph/inlet.ts';
import { type Extractor, type StageType, stageType } from '../../../../src/pipeline/stage.ts';
import { STAGE_TYPES } from '../../../../src/pipeline/stages.ts';
import { appendRows, type Row } from './rows.ts';

const strict = { additionalProperties: false } as const;

/** A source that emits given rows, a batch for each list, as soon as it starts. */
const rowsIngest = stageType({
  section: 'ingest',
  type: 'rows',
  schema: Type.Object(
    { batches: Type.Array(Type.Array(Type.Any())), coalesceMs: Type.Optional(Type.Number()) },
    strict,
  ),
  create: ({ batches, coalesceMs }, { name }) => ({
    kind: 'source',
    name,
    columns: FIELDS.map(({ name: field, kind }) => ({ name: field, kind })),
    isOpen: true,
    ...(coalesceMs === undefined ? {} : { coalesceMs }),
    async start(inlet) {
      for (const rows of batches as Row[][]) {
        const batch = inlet.take();
        appendRows(batch, rows);
        inlet.emit(batch);
      }
    },
    stop: () => Promise.resolve(),
  }),
});

/** Sums `Bytes` by protocol, and emits the sums at the end, or at a tick. */
class Sums implements Extractor {
  readonly kind = 'extractor';
  readonly name: string;
  readonly reads = ['Proto', 'Bytes'];
  readonly columns = [
    { name: 'Proto', kind: 'u8' },
    { name: 'Bytes', kind: 'f64' },
  ] as const;
  readonly tickMs = 1000;
  readonly #sums = new Map<number, number>();

  constructor(name: string) {
    this.name = name;
  }

  push(batch: FlowBatch): void {
    if (!batch.has('Proto')) return;
    for (let i = 0; i < batch.selected; i++) {
      const row = batch.selection?.[i] ?? i;
      if (!hasBit(batch.present('Proto'), row)) continue;
      const proto = batch.u8('Proto')[row]!;
      const hasBytes = batch.has('Bytes') && hasBit(batch.present('Bytes'), row);
      const bytes = hasBytes ? batch.f64('Bytes')[row]! : 0;
      this.#sums.set(proto, (this.#sums.get(proto) ?? 0) + bytes);
    }
  }

  tick(inlet: Inlet): void {
    this.flush(inlet);
  }

  flush(inlet: Inlet): void {
    if (this.#sums.size === 0) return;
    const batch = inlet.take();
    for (const [proto, bytes] of this.#sums) {
      const row = batch.length++;
      if (batch.has('Proto')) {
        batch.u8('Proto')[row] = proto;
        setBit(batch.present('Proto'), row);
      }
      if (batch.has('Bytes')) {
        batch.f64('Bytes')[row] = bytes;
        setBit(batch.present('Bytes'), row);
      }
    }
    this.#sums.clear();
    inlet.emit(batch);
  }
}

const sumExtract = stageType({
  section: 'extract',
  type: 'sum',
  schema: Type.Object({}, strict),
  create: (_options, { name }) => new Sums(name),
});

/** All stage types, and two for tests only: a source and an extractor. */
export const WITH_TEST_STAGES: readonly StageType[] = [...STAGE_TYPES, rowsIngest, sumExtract];
