import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { serverFolder } from '../../../scripts/servers.ts';
import { freePort, type Program, startProgram } from '../../support/processes/program.ts';

const SOON = { timeout: 30_000, interval: 20 } as const;

/** Where a collector sends log records, besides its file. */
export interface ForwardTo {
  readonly grpcPort?: number;
  readonly httpPort?: number;
}

interface KeyValue {
  readonly key: string;
  readonly value: AnyValue;
}

/** A line of the file: what arrived in one request, in the JSON of the protocol. */
interface Line {
  readonly resourceLogs?: readonly Scoped<'scopeLogs', { logRecords: readonly LogRecord[] }>[];
  readonly resourceSpans?: readonly Scoped<'scopeSpans', { spans: readonly SpanRecord[] }>[];
  readonly resourceMetrics?: readonly Scoped<
    'scopeMetrics',
    { metrics: readonly MetricRecord[] }
  >[];
}

type Scoped<Key extends string, Content> = Readonly<Record<Key, readonly Content[]>>;

export interface LogRecord {
  readonly attributes: readonly KeyValue[];
  readonly body: { readonly stringValue: string };
  readonly timeUnixNano: string;
}

export interface SpanRecord {
  readonly name: string;
  readonly attributes: readonly KeyValue[];
}

export interface MetricRecord {
  readonly name: string;
  readonly sum?: { readonly dataPoints: readonly Point[] };
  readonly histogram?: { readonly dataPoints: readonly Point[] };
}

interface Point {
  readonly attributes: readonly KeyValue[];
  readonly asDouble: number;
  readonly count: string;
  readonly sum: number;
}

/** The collector of OpenTelemetry: it writes to a file what it receives, then acknowledges it. */
export class Collector implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'netobserv-otelcol-'));
  readonly grpcPort: number;
  readonly httpPort: number;
  #program: Program | undefined;

  private constructor(grpcPort: number, httpPort: number, to: ForwardTo) {
    this.grpcPort = grpcPort;
    this.httpPort = httpPort;
    // JSON is YAML.
    writeFileSync(join(this.folder, 'config.yaml'), JSON.stringify(this.#config(to)));
  }

  static async start(to: ForwardTo = {}): Promise<Collector> {
    const collector = new Collector(await freePort(), await freePort(), to);
    await collector.restart();
    return collector;
  }

  async restart(): Promise<void> {
    const args = ['--config', join(this.folder, 'config.yaml')];
    const program = startProgram(args, { command: [join(serverFolder('otelcol'), 'otelcol')] });
    this.#program = program;
    await program.waitFor(/Everything is ready/);
  }

  async kill(): Promise<void> {
    await this.#program?.stop('SIGKILL');
  }

  /** It stands still until `resume`. */
  pause(): void {
    this.#program!.child.kill('SIGSTOP');
  }

  resume(): void {
    this.#program!.child.kill('SIGCONT');
  }

  logs(): readonly LogRecord[] {
    return this.#lines()
      .flatMap(({ resourceLogs = [] }) => resourceLogs)
      .flatMap(({ scopeLogs }) => scopeLogs)
      .flatMap(({ logRecords }) => logRecords);
  }

  spans(): readonly SpanRecord[] {
    return this.#lines()
      .flatMap(({ resourceSpans = [] }) => resourceSpans)
      .flatMap(({ scopeSpans }) => scopeSpans)
      .flatMap(({ spans }) => spans);
  }

  metrics(): readonly MetricRecord[] {
    return this.#lines()
      .flatMap(({ resourceMetrics = [] }) => resourceMetrics)
      .flatMap(({ scopeMetrics }) => scopeMetrics)
      .flatMap(({ metrics }) => metrics);
  }

  /** Waits until the file has so many log records. */
  async stored(count: number): Promise<void> {
    await expect.poll(() => this.logs().length, SOON).toBe(count);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true });
  }

  #lines(): readonly Line[] {
    const path = join(this.folder, 'out.jsonl');
    const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
    // What was killed may have left part of a line; it was not acknowledged.
    return text.split('\n').flatMap(parsed);
  }

  #config({ grpcPort, httpPort }: ForwardTo): object {
    const forward = { tls: { insecure: true }, sending_queue: { enabled: false } };
    const retry = { initial_interval: '200ms', max_interval: '1s', max_elapsed_time: '60s' };
    const exporters = {
      // With rotation, each request is written at once.
      file: { path: join(this.folder, 'out.jsonl'), rotation: { max_megabytes: 1000 } },
      ...(grpcPort === undefined
        ? {}
        : { otlp: { endpoint: `127.0.0.1:${grpcPort}`, ...forward, retry_on_failure: retry } }),
      ...(httpPort === undefined
        ? {}
        : {
            otlphttp: {
              endpoint: `http://127.0.0.1:${httpPort}`,
              ...forward,
              retry_on_failure: retry,
            },
          }),
    };
    const toFile = { receivers: ['otlp'], exporters: ['file'] };
    const logs = { receivers: ['otlp'], exporters: Object.keys(exporters) };
    const grpc = { endpoint: `127.0.0.1:${this.grpcPort}`, max_recv_msg_size_mib: 64 };
    const http = { endpoint: `127.0.0.1:${this.httpPort}` };
    return {
      receivers: { otlp: { protocols: { grpc, http } } },
      exporters,
      service: {
        telemetry: { metrics: { level: 'none' } },
        pipelines: { logs, traces: toFile, metrics: toFile },
      },
    };
  }
}

function parsed(line: string): Line[] {
  try {
    return [JSON.parse(line) as Line];
  } catch {
    return [];
  }
}

/** An `AnyValue` in the JSON of the protocol. */
interface AnyValue {
  readonly stringValue?: string;
  readonly intValue?: string;
  readonly doubleValue?: number;
  readonly boolValue?: boolean;
  readonly arrayValue?: { readonly values: readonly AnyValue[] };
}

/** Attributes as an object of JSON. */
export function plainJson(attributes: readonly KeyValue[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, plain(value)]));
}

function plain({ stringValue, intValue, doubleValue, boolValue, arrayValue }: AnyValue): unknown {
  if (arrayValue !== undefined) return arrayValue.values.map(plain);
  return stringValue ?? doubleValue ?? boolValue ?? Number(intValue);
}
