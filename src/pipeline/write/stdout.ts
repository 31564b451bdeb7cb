import { createJsonWriter } from '../../codec/json/writer.ts';
import type { FlowBatch } from '../../flow/batch.ts';
import { type Row, type RowOptions, rowsOf } from '../../flow/row.ts';
import { StdoutOptions } from '../options/write/stdout.ts';
import { type StageContext, type StageType, stageType } from '../stage.ts';

/** Flows on standard output, or wherever `deps.output` leads: JSON lines, or text for a person. */
export const stdoutWrite: StageType = stageType({
  section: 'write',
  type: 'stdout',
  schema: StdoutOptions,
  create(options, context) {
    const encode = encoder(options.format, context);
    const output = context.deps.output ?? standardOutput;
    return {
      kind: 'sink',
      name: context.name,
      reads: 'all',
      write: (batch) => output(encode(batch)),
    };
  },
});

type Encode = (batch: FlowBatch) => Uint8Array;

/** The bytes are the encoder's until its next call; a sink writes one batch at a time. */
function encoder(format: StdoutOptions['format'], context: StageContext): Encode {
  const options: RowOptions = { names: context.named };
  const { clock } = context.deps;
  switch (format) {
    case 'json': {
      const writer = createJsonWriter(options);
      return (batch) => {
        writer.clear();
        writer.writeBatch(batch);
        return writer.bytes();
      };
    }
    case 'fields':
      return (batch) => encodeRows(batch, options, clock.nowMs(), fieldsText);
    case 'printf':
      return (batch) => encodeRows(batch, options, clock.nowMs(), mapText);
  }
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

function standardOutput(bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(bytes, (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}
