import { jsonLinesEncoder } from '../../deliver/encoders/json-lines.ts';
import { STREAM_LIMITS, StreamTarget } from '../../deliver/targets/stream.ts';
import { type CreateExport, outletOf, rowsOfBatch } from './outlet.ts';

/** EXPORT=stdout: a line of JSON for each flow. */
export const stdoutExport: CreateExport = (config, deps) => ({
  outlet: outletOf(config, deps, {
    name: 'stdout',
    encoder: jsonLinesEncoder(),
    target: new StreamTarget(deps.stdout, 'standard output'),
    limits: STREAM_LIMITS,
    rowsOf: rowsOfBatch,
  }),
  columns: deps.columns,
});
