import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, ServerCredentials, type UntypedHandleCall } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import type { Row } from '../../support/models/interpreter/rows.ts';
import { testPipeline } from '../../support/models/interpreter/setup.ts';
import { WITH_TEST_STAGES } from '../../support/models/interpreter/test-stages.ts';
import { selfSigned } from '../../support/net/certificate.ts';

/** `write: grpc` with a real server, which reads messages by the protocol's own description. */

// proto/genericmap.proto of flowlogs-pipeline; Any is part of protobuf.
const Flow = protobuf
  .parse(
    `syntax = "proto3";
    package genericmap;
    message Any { string type_url = 1; bytes value = 2; }
    message Flow { Any genericMap = 1; }`,
    { keepCase: true },
  )
  .root.lookupType('genericmap.Flow');

/** A collector of `network-observability-cli`. */
class Collector {
  readonly flows: Row[] = [];
  /** Names of types that the values had. */
  readonly types = new Set<string>();
  /** Calls that were in progress at the same time, at most. */
  concurrent = 0;
  delayMs = 0;
  port = 0;
  readonly #credentials: ServerCredentials;
  #server: Server | undefined;
  #calls = 0;

  constructor(credentials = ServerCredentials.createInsecure()) {
    this.#credentials = credentials;
  }

  async start(): Promise<void> {
    const server = new Server();
    this.#server = server;
    const send = (
      { request }: { request: Buffer },
      answer: (error: null, reply: Buffer) => void,
    ): void => {
      const { genericMap } = Flow.decode(request) as unknown as {
        genericMap: { type_url: string; value: Uint8Array };
      };
      this.types.add(genericMap.type_url);
      this.flows.push(JSON.parse(new TextDecoder().decode(genericMap.value)) as Row);
      this.concurrent = Math.max(this.concurrent, ++this.#calls);
      setTimeout(() => {
        this.#calls--;
        answer(null, Buffer.alloc(0));
      }, this.delayMs);
    };
    const bytes = (value: Buffer): Buffer => value;
    const unary = { requestStream: false, responseStream: false } as const;
    server.addService(
      {
        Send: {
          ...{ path: '/genericmap.Collector/Send', ...unary },
          ...{ requestSerialize: bytes, requestDeserialize: bytes },
          ...{ responseSerialize: bytes, responseDeserialize: bytes },
        },
      },
      { Send: send as unknown as UntypedHandleCall },
    );
    this.port = await new Promise((resolve, reject) => {
      server.bindAsync(`127.0.0.1:${this.port}`, this.#credentials, (error, port) =>
        error === null ? resolve(port) : reject(error),
      );
    });
  }

  kill(): void {
    this.#server?.forceShutdown();
  }
}

async function collector(credentials?: ServerCredentials): Promise<Collector> {
  const made = new Collector(credentials);
  await made.start();
  onTestFinished(() => made.kill());
  return made;
}

async function writer(port: number, rows: readonly Row[], options = {}) {
  const { pipeline } = testPipeline(
    {
      pipeline: [{ name: 'out', follows: 'in' }],
      parameters: [
        { name: 'in', ingest: { type: 'rows', rows: { batches: [rows] } } },
        {
          name: 'out',
          write: {
            type: 'grpc',
            grpc: { targetHost: '127.0.0.1', targetPort: port, ...options },
          },
        },
      ],
    },
    { types: WITH_TEST_STAGES, clock: systemClock },
  );
  await pipeline.start(new AbortController().signal);
  return pipeline;
}

const LONG = 'x'.repeat(20_000);
const rows = Array.from({ length: 500 }, (_, index) => ({
  ...{ SrcAddr: '10.0.0.1', DstAddr: '2001:db8::1', Bytes: index + 1, Interfaces: ['eth0', 'br0'] },
  // Lengths of one, two and three bytes.
  ...(index % 3 === 0 ? {} : { note: LONG.slice(0, index % 3 === 1 ? 100 : undefined) }),
}));
const sorted = (flows: readonly Row[]) =>
  flows.toSorted((a, b) => Number(a.Bytes) - Number(b.Bytes));

test('each flow is a call, several at a time', async () => {
  const server = await collector();
  server.delayMs = 5;
  const pipeline = await writer(server.port, [...rows, {}]);
  await pipeline.stop();
  expect(pipeline.branches()[0]).toMatchObject({ in: 501, written: 501, dropped: {} });
  expect(sorted(server.flows.filter(({ Bytes }) => Bytes !== undefined))).toEqual(rows);
  expect(server.flows).toContainEqual({});
  expect([...server.types]).toEqual(['']);
  expect(server.concurrent).toBeGreaterThan(8);
});

test('flows wait for a collector that is away, and arrive once', async () => {
  const server = await collector();
  server.kill();
  const pipeline = await writer(server.port, rows);
  onTestFinished(() => pipeline.stop());
  await systemClock.sleep(500);
  expect(pipeline.branches()[0]).toMatchObject({ in: 500, written: 0, dropped: {} });
  await server.start();
  await expect.poll(() => pipeline.branches()[0]!.written).toBe(500);
  expect(sorted(server.flows)).toEqual(rows);
});

describe('by TLS', () => {
  test('with the authorities of caCertPath', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'netobserv-write-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const { cert, key } = selfSigned();
    const caCertPath = join(folder, 'ca.pem');
    writeFileSync(caCertPath, cert);
    const pair = { cert_chain: Buffer.from(cert), private_key: Buffer.from(key) };
    const server = await collector(ServerCredentials.createSsl(null, [pair]));
    const pipeline = await writer(server.port, rows.slice(0, 10), {
      ...{ targetHost: 'localhost', tls: { caCertPath } },
    });
    await pipeline.stop();
    expect(sorted(server.flows)).toEqual(rows.slice(0, 10));
  });

  test('userCertPath and userKeyPath go together', async () => {
    const tls = { caCertPath: 'ca.pem', userCertPath: 'client.pem', userKeyPath: '' };
    await expect(writer(1, [], { tls })).rejects.toThrow(
      /write\.grpc\.tls: userCertPath and userKeyPath go together/,
    );
  });
});

test.each([
  [{ targetPort: 0 }, /write\.grpc\.targetPort/],
  [{ targetHost: '' }, /write\.grpc\.targetHost/],
])('%j is refused', async (options, message) => {
  await expect(writer(1, [], options)).rejects.toThrow(message);
});
