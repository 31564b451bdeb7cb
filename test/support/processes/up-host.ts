import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MetricsResponse, RecordsResponse, StatusResponse } from '../../../src/console/api.ts';
import type { FlowRow } from '../../../src/query/ast.ts';
import { consoleAddress, type Program, programCommand, startProgram } from './program.ts';

/** Maximum number of rows per answer of the API. */
const ROWS_MAX = 10_000;
/** Seconds: longer than any test runs, shorter than flows are kept. */
const RANGE_S = 3600;

export interface Sums {
  readonly packets: number;
  readonly bytes: number;
}

/** `netobserv up` as people start it, observed through its console. */
export interface UpHost extends AsyncDisposable {
  readonly url: string;
  readonly program: Program;
  /** The matching rows; more than one answer can hold is an error. */
  rows(filters?: string): Promise<readonly FlowRow[]>;
  /** Sums over the matching rows, made by the store. */
  sums(filters?: string): Promise<Sums>;
  status(): Promise<StatusResponse>;
}

/**
 * Starts `up` on a free port and waits until its hooks are attached. Without `data`, it makes a
 * folder and removes it afterwards. `command` runs the program, by its arguments. Disposing ends it
 * by SIGTERM, and fails if it does not end cleanly.
 */
export async function startUp(
  args: readonly string[],
  data?: string,
  command?: readonly string[],
): Promise<UpHost> {
  const folder = data ?? mkdtempSync(join(tmpdir(), 'netobserv-up-'));
  const whole = ['up', '--listen', '127.0.0.1:0', '--data', folder, ...args];
  const program =
    command === undefined
      ? startProgram(whole)
      : startProgram([...programCommand(), ...whole], { command });
  const dispose = (): void => {
    if (data === undefined) rmSync(folder, { recursive: true, force: true });
  };
  const url = await consoleAddress(program).catch((error: unknown) => {
    dispose();
    throw error;
  });

  async function get<Answer>(path: string, parameters: Record<string, string> = {}) {
    const answer = await fetch(`${url}${path}?${new URLSearchParams(parameters)}`);
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`);
    return JSON.parse(text) as Answer;
  }

  async function sum(type: string, filters: string): Promise<number> {
    const what = { type, filters, aggregateBy: 'app', function: 'sum', timeRange: `${RANGE_S}` };
    const { result } = await get<MetricsResponse>('/api/flow/metrics', what);
    const points = result.flatMap(({ values }) => values);
    return points.reduce((total, [, value]) => total + Number(value), 0);
  }

  return {
    url,
    program,
    async rows(filters = '') {
      const parameters = { filters, limit: `${ROWS_MAX}`, timeRange: `${RANGE_S}` };
      const answer = await get<RecordsResponse>('/api/flow/records', parameters);
      if (answer.stats.limitReached) throw new Error(`more than ${ROWS_MAX} rows: ${filters}`);
      return answer.result.flatMap(({ stream, values }) =>
        values.map(([, line]): FlowRow => ({ ...stream, ...(JSON.parse(line) as FlowRow) })),
      );
    },
    async sums(filters = '') {
      return { packets: await sum('Packets', filters), bytes: await sum('Bytes', filters) };
    },
    status: () => get<StatusResponse>('/api/status'),
    async [Symbol.asyncDispose]() {
      const status = program.child.signalCode ?? (await program.stop());
      dispose();
      if (status !== 0 && status !== 'SIGKILL') {
        throw new Error(`netobserv ended with ${status}:\n${program.output()}`);
      }
    },
  };
}

/** Sum of a field's values; every row has it. */
export function sumOf(rows: readonly FlowRow[], field: string): number {
  return rows.reduce((total, row) => total + Number(row[field]), 0);
}

export function sumsOf(rows: readonly FlowRow[]): Sums {
  return { packets: sumOf(rows, 'Packets'), bytes: sumOf(rows, 'Bytes') };
}
