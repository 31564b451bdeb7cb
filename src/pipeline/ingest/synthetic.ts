import type { FlowBatch } from '../../flow/batch.ts';
import { FIELDS } from '../../flow/fields.ts';
import { type InternTables, MISSING } from '../../flow/intern.ts';
import type { Inlet } from '../graph/inlet.ts';
import { SyntheticOptions } from '../options/ingest/synthetic.ts';
import { type Source, type StageContext, type StageType, stageType } from '../stage.ts';

const MS_PER_MINUTE = 60_000;
/** Timers are not more precise; more flows come at each tick. */
const PERIOD_MIN_MS = 10;
const MS_PER_S = 1000;

const TCP = 6;
const IPV4 = 0x0800;
const SOURCE_PORT = 1234;
const SERVER = '11.1.1.1';
const SERVER_PORT = 8000;
const BYTES = 100;
const PACKETS = 1;

const MADE = new Set([
  ...['SrcAddr', 'DstAddr', 'SrcPort', 'DstPort', 'Proto', 'Etype', 'Bytes', 'Packets'],
  ...['TimeFlowStartMs', 'TimeFlowEndMs', 'TimeReceived'],
]);

/** Flows that are made up, at a steady rate. */
export const syntheticIngest: StageType = stageType({
  section: 'ingest',
  type: 'synthetic',
  schema: SyntheticOptions,
  create: (options, context) => new SyntheticSource(options, context),
});

class SyntheticSource implements Source {
  readonly kind = 'source';
  readonly name: string;
  readonly columns = FIELDS.filter(({ name }) => MADE.has(name)).map(({ name, kind }) => ({
    name,
    kind,
  }));
  readonly #options: SyntheticOptions;
  readonly #context: StageContext;
  readonly #startMs: number;
  /** Ids of the clients' addresses, in one generation of tables. */
  readonly #clients: Uint32Array;
  #tables: InternTables | undefined;
  #made = 0;
  #timer: Disposable | undefined;

  constructor(options: SyntheticOptions, context: StageContext) {
    this.name = context.name;
    this.#options = options;
    this.#context = context;
    this.#startMs = context.deps.clock.monotonicMs();
    this.#clients = new Uint32Array(options.connections);
  }

  async start(inlet: Inlet): Promise<void> {
    const { batchMaxLen, flowLogsPerMin } = this.#options;
    const periodMs = Math.max((MS_PER_MINUTE * batchMaxLen) / flowLogsPerMin, PERIOD_MIN_MS);
    this.#timer = this.#context.deps.clock.every(periodMs, () => this.#emit(inlet));
  }

  async stop(): Promise<void> {
    this.#timer?.[Symbol.dispose]();
  }

  /** Emits the flows that are due. While a branch that blocks is full, none are made. */
  #emit(inlet: Inlet): void {
    const { clock } = this.#context.deps;
    const { batchMaxLen, flowLogsPerMin } = this.#options;
    const elapsedMs = clock.monotonicMs() - this.#startMs;
    const due =
      Math.floor((elapsedMs * flowLogsPerMin) / MS_PER_MINUTE / batchMaxLen) * batchMaxLen;
    while (this.#made < due && inlet.whenReady() === undefined) {
      const batch = inlet.take();
      batch.length = Math.min(due - this.#made, batch.capacity);
      this.#fill(batch, clock.nowMs());
      this.#made += batch.length;
      this.#context.counts.ingested(batch.length);
      inlet.emit(batch);
    }
  }

  #fill(batch: FlowBatch, nowMs: number): void {
    const { addresses } = batch.tables;
    const constants: readonly (readonly [name: string, value: number])[] = [
      ['DstAddr', addresses.internText(SERVER)],
      ['SrcPort', SOURCE_PORT],
      ['DstPort', SERVER_PORT],
      ['Proto', TCP],
      ['Etype', IPV4],
      ['Bytes', BYTES],
      ['Packets', PACKETS],
      ['TimeFlowStartMs', nowMs],
      ['TimeFlowEndMs', nowMs],
      ['TimeReceived', Math.floor(nowMs / MS_PER_S)],
    ];
    for (const [name, value] of constants) {
      if (!batch.has(name)) continue;
      const column = batch.column(name);
      if (column.kind !== 'any') column.values.fill(value, 0, batch.length);
      if ('present' in column) batch.markPresent(name);
    }
    if (!batch.has('SrcAddr')) return;
    const clients = this.#clientsIn(batch.tables);
    const sources = batch.ids('SrcAddr');
    for (let row = 0; row < batch.length; row++) {
      const connection = (this.#made + row) % clients.length;
      let id = clients[connection]!;
      if (id === MISSING) {
        id = addresses.internText(clientOf(connection));
        clients[connection] = id;
      }
      sources[row] = id;
    }
  }

  #clientsIn(tables: InternTables): Uint32Array {
    if (this.#tables !== tables) this.#clients.fill(MISSING);
    this.#tables = tables;
    return this.#clients;
  }
}

/** Address of the client of a connection: 10.0.0.0 and so on. */
function clientOf(connection: number): string {
  return `10.${connection >>> 16}.${(connection >>> 8) & 255}.${connection & 255}`;
}
