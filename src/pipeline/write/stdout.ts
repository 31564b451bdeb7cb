import { type Static, Type } from 'typebox';
import { jsonLinesEncoder } from '../../deliver/encoders/json-lines.ts';
import type { Encoder } from '../../deliver/outlet.ts';
import { amountOf } from '../../deliver/runs.ts';
import { STREAM_LIMITS, StreamTarget } from '../../deliver/targets/stream.ts';
import type { FlowBatch } from '../../flow/batch.ts';
import { type Row, type RowOptions, rowsOf } from '../../flow/row.ts';
import { OutletSink } from '../graph/outlet-sink.ts';
import { type StageContext, type StageType, stageType } from '../stage.ts';

const StdoutOptions = Type.Object(
  {
    format: Type.Union([Type.Literal('printf'), Type.Literal('json'), Type.Literal('fields')], {
      default: 'printf',
    }),
  },
  { additionalProperties: false },
);

/** Flows on standard output: lines of JSON, or text for a person. */
export const stdoutWrite: StageType = stageType({
  section: 'write',
  type: 'stdout',
  schema: StdoutOptions,
  create({ format }, context) {
    const { stdout = process.stdout } = context.deps;
    return new OutletSink(context, {
      encoder: encoderOf(format, context),
      target: new StreamTarget(stdout, 'standard output'),
      limits: STREAM_LIMITS,
      reads: 'all',
    });
  },
});

function encoderOf(
  format: Static<typeof StdoutOptions>['format'],
  context: StageContext,
): Encoder<FlowBatch> {
  const options: RowOptions = { names: context.named };
  if (format === 'json') return jsonLinesEncoder(options);
  const { clock } = context.deps;
  const text = format === 'fields' ? fieldsText : mapText;
  return {
    encode(batch) {
      if (batch.selected === 0) return [];
      const amount = amountOf(batch, { from: 0, to: batch.selected });
      return [{ bytes: encodeRows(batch, options, clock.nowMs(), text), amount }];
    },
  };
}

function encodeRows(
  batch: FlowBatch,
  options: RowOptions,
  nowMs: number,
  text: (row: Row, time: string) => string,
): Uint8Array {
  const time = new Date(nowMs).toISOString();
  return Buffer.from(
    rowsOf(batch, options)
      .map((row) => text(row, time))
      .join(''),
  );
}

/** A headed table of a flow's fields by name. */
function fieldsText(row: Row, time: string): string {
  const names = Object.keys(row).sort();
  const width = Math.max(0, ...names.map((name) => name.length));
  const lines = names.map((name) => `${name.padEnd(width)} = ${valueText(row[name])}\n`);
  return `\nFlow record at ${time}:\n${lines.join('')}`;
}

/** A flow in a line, in the notation of Go maps. */
function mapText(row: Row, time: string): string {
  const names = Object.keys(row).sort();
  const cells = names.map((name) => `${name}:${valueText(row[name])}`);
  return `${time}: map[${cells.join(' ')}]\n`;
}

function valueText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(valueText).join(' ')}]`;
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
