import { refusedEntries } from '../../../src/codec/otlp/answer.ts';
import { flowOfJson, logsOfJson } from '../../../src/codec/otlp/json-logs.ts';
import { LogReader } from '../../../src/codec/otlp/log-reader.ts';
import { agentColumns } from '../../../src/flow/agent-columns.ts';
import { BatchLayout, EXTRAS, FlowBatch } from '../../../src/flow/batch.ts';
import { TableSpace } from '../../../src/flow/intern.ts';
import { rowsOf } from '../../../src/flow/row.ts';
import { bounded, coded, type Read, TABLE_ENTRIES } from './mutations.ts';
import { attributesOf, encodeAnswer, encodeLogs } from './otlp-schema.ts';

const OTLP_RECORDS = [
  { SrcAddr: '10.0.0.1', Bytes: 5_000_000_000, Interfaces: ['eth0', 'x'], Proto: -6, own: 1.5 },
  { Flags: ['SYN'], deep: { er: [true, { est: [[null]] }] }, TimeFlowEndMs: 1_700_000_000_000 },
];
const OTLP_LOGS = [
  ...OTLP_RECORDS.map((row) => ({ attributes: attributesOf(row), timeUnixNano: 5 })),
  { body: { stringValue: '{"Bytes":1,"own":[2]}' } },
  { body: { kvlistValue: { values: attributesOf({ Bytes: 1, own: { a: 1 } }) } } },
];
export const OTLP_SAMPLES = OTLP_LOGS.map((log) => encodeLogs([log, log]));
export const OTLP_JSON_SAMPLES = OTLP_LOGS.map((log) => {
  const request = { resourceLogs: [{ scopeLogs: [{ logRecords: [log] }] }] };
  return Buffer.from(JSON.stringify(request));
});
export const ANSWER_SAMPLES = [
  encodeAnswer({ partialSuccess: { rejected: 300, errorMessage: 'no' } }),
];

const OPEN_LAYOUT = new BatchLayout([...agentColumns(), { name: EXTRAS, kind: 'any' }]);

export function otlpReader(): Read {
  const tables = new TableSpace(TABLE_ENTRIES);
  const batch = new FlowBatch(OPEN_LAYOUT, tables.current, 1);
  const reader = new LogReader(OPEN_LAYOUT);
  return (bytes, from, to) => {
    tables.rotateIfFull();
    reader.open(bytes.slice(from, to));
    const found: string[] = [];
    while (reader.find()) {
      batch.reset(tables.current);
      const failures = new Map<string, number>();
      const read = coded(() => {
        reader.add(batch, failures);
        return JSON.stringify(rowsOf(batch)) + [...failures].join();
      });
      found.push(read(bytes, from, to));
      reader.skip();
    }
    return bounded(found.join(), from, to);
  };
}

export function readOtlpJson(bytes: Uint8Array, from: number, to: number): string {
  const rows = logsOfJson(bytes.subarray(from, to)).map((log) => JSON.stringify(flowOfJson(log)));
  return bounded(rows.join(), from, to);
}

export function readAnswer(bytes: Uint8Array, from: number, to: number): string {
  return String(refusedEntries(bytes.subarray(from, to)));
}
