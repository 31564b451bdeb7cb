import type { Component } from '../../base/component.ts';
import { rpcStatus } from '../../codec/rpc-status.ts';
import { FIELDS } from '../../flow/fields.ts';
import type { Answer } from '../../net/http/server.ts';
import { createConnectionMetrics } from '../../telemetry/connections.ts';
import { renewalReport } from '../../telemetry/renewals.ts';
import { configError, PIPELINE_ERRORS } from '../errors.ts';
import type { Inlet } from '../graph/inlet.ts';
import { OtlpLogsIngestOptions } from '../options/ingest/otlplogs.ts';
import { type Source, type StageContext, type StageType, stageType } from '../stage.ts';
import { COALESCE_MS, MESSAGE_BYTES_MAX } from './grpc-source.ts';
import { Intake, type PresentReader } from './intake.ts';
import { jsonLogReader, protobufLogReader } from './otlp-readers.ts';
import { Refusals } from './refusals.ts';
import { serverTls } from './server-tls.ts';

const GRPC_METHOD = '/opentelemetry.proto.collector.logs.v1.LogsService/Export';
const HTTP_PATH = '/v1/logs';
const PROTOBUF = 'application/x-protobuf';
const JSON_TYPE = 'application/json';
/** Bodies of HTTP requests that are read or wait for room. */
const BODIES_BYTES_MAX = 256 * 1024 * 1024;

/** Flows as log records, by the OpenTelemetry protocol. */
export const otlpLogsIngest: StageType = stageType({
  section: 'ingest',
  type: 'otlplogs',
  schema: OtlpLogsIngestOptions,
  create: (options, context) => new OtlpLogsSource(options, context),
});

class OtlpLogsSource implements Source {
  readonly kind = 'source';
  readonly name: string;
  readonly columns = FIELDS.map(({ name, kind }) => ({ name, kind }));
  readonly isOpen = true;
  readonly coalesceMs = COALESCE_MS;
  readonly #options: OtlpLogsIngestOptions;
  readonly #context: StageContext;
  readonly #servers: Component[] = [];
  #intake: Intake | undefined;

  constructor(options: OtlpLogsIngestOptions, context: StageContext) {
    this.name = context.name;
    this.#options = options;
    this.#context = context;
    serverTls(options, context.path);
    if (options.grpcPort === options.httpPort) {
      const problem =
        options.grpcPort === 0
          ? 'grpcPort and httpPort are both 0, so nothing can arrive'
          : 'grpcPort and httpPort must differ';
      throw configError(PIPELINE_ERRORS.option, context.path, problem);
    }
  }

  async start(inlet: Inlet, signal: AbortSignal): Promise<void> {
    const refusals = new Refusals(this.#context, 'a log record or a message');
    const intake = new Intake(inlet, this.#context, refusals, this.#options);
    const protobuf = intake.reader(protobufLogReader);
    const json = intake.reader(jsonLogReader);
    this.#intake = intake;
    const { grpcPort, httpPort } = this.#options;
    if (grpcPort !== 0) this.#servers.push(await this.#grpc(intake, protobuf));
    if (httpPort !== 0) this.#servers.push(await this.#http(intake, protobuf, json));
    for (const server of this.#servers) await server.start(signal);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.stop()));
    this.#intake?.close();
  }

  async #grpc(intake: Intake, reader: PresentReader): Promise<Component> {
    const { clock } = this.#context.deps;
    // Here and not at the top, as below: other pipelines do without the libraries.
    const { GrpcServer } = await import('../../net/grpc/server.ts');
    return new GrpcServer(
      {
        ...this.#address(this.#options.grpcPort),
        method: GRPC_METHOD,
        messageBytesMax: MESSAGE_BYTES_MAX,
      },
      {
        clock,
        renewal: this.#renewal(),
        take: (message) => intake.take(reader, message as Buffer<ArrayBuffer>),
      },
    );
  }

  async #http(intake: Intake, protobuf: PresentReader, json: PresentReader): Promise<Component> {
    const { clock, metrics } = this.#context.deps;
    const limited = createConnectionMetrics(metrics);
    const { PostServer } = await import('../../net/http/server.ts');
    return new PostServer(
      {
        ...this.#address(this.#options.httpPort),
        path: HTTP_PATH,
        types: [PROTOBUF, JSON_TYPE],
        ...{ bodyBytesMax: MESSAGE_BYTES_MAX, bodiesBytesMax: BODIES_BYTES_MAX },
      },
      {
        clock,
        renewal: this.#renewal(),
        take: (body, type) => intake.take(type === JSON_TYPE ? json : protobuf, body),
        refused: (error) => intake.refuse(error),
        failure,
        limited: (outcome) => limited.inc({ server: this.name, outcome }),
      },
    );
  }

  #address(port: number) {
    const { address } = this.#options;
    const host = address === '' ? '::' : address;
    return { host, port, tls: serverTls(this.#options, this.#context.path) };
  }

  #renewal() {
    const { log, metrics } = this.#context.deps;
    return renewalReport(this.name, { log, counts: metrics });
  }
}

/** Codes of `google.rpc.Status` for the statuses of HTTP; 2: unknown. */
const CODES: Readonly<Record<number, number>> = { 400: 3, 404: 5, 413: 8, 503: 14 };
const UNKNOWN_CODE = 2;

function failure(status: number, message: string, type: string): Answer {
  const code = CODES[status] ?? UNKNOWN_CODE;
  if (type === PROTOBUF) return { type, body: rpcStatus(code, message) };
  return { type: JSON_TYPE, body: new TextEncoder().encode(JSON.stringify({ code, message })) };
}
