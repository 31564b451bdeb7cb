import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { testPipeline } from '../../support/models/interpreter/setup.ts';
import { freePort } from '../../support/processes/program.ts';

const SOON = { timeout: 20_000, interval: 20 } as const;

function inlet(options: object, edges: readonly object[] = [{ name: 'carry' }]) {
  const datagrams = {
    ...{ ports: [2055], kafka: { address: '127.0.0.1:1', topic: 'netflow' } },
    ...options,
  };
  const parameters = [
    { name: 'carry', ingest: { type: 'datagrams', datagrams } },
    ...(edges.length > 1 ? [{ name: 'out', write: { type: 'none' } }] : []),
  ];
  return testPipeline({ pipeline: edges as never, parameters }, { clock: systemClock });
}

/** UDP sockets of IPv4 on a port, as the kernel lists them. */
function socketsOn(port: number): number {
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')} `;
  const lines = readFileSync('/proc/net/udp', 'utf8').split('\n');
  return lines.filter((line) => line.includes(local)).length;
}

describe('mistakes are refused with their place', () => {
  test.each([
    [{ ports: [] }, /datagrams\.ports/],
    [{ ports: [0] }, /datagrams\.ports\[0\]/],
    [{ kafka: { topic: 'x' } }, /kafka.*address/],
    [{ kafka: { address: 'kafka:port', topic: 'x' } }, /kafka\.address: "kafka:port" is not a/],
    [{ kafka: { address: 'kafka', topic: 'x', format: 'json' } }, /format/],
  ])('%j', (options, message) => {
    expect(() => inlet(options)).toThrow(message);
  });

  test('a stage after it', () => {
    const edges = [{ name: 'carry' }, { name: 'out', follows: 'carry' }];
    expect(() => inlet({}, edges)).toThrow(/"carry" has no flows for other stages/);
  });
});

test('without brokers, each datagram is counted as lost at the end', async () => {
  const port = await freePort();
  const options = { hostName: '127.0.0.1', sockets: 3, receiveBufferBytes: 200_000 };
  const { pipeline, metrics } = inlet({ ...options, ports: [port] });
  await pipeline.start(new AbortController().signal);
  expect(socketsOn(port)).toBe(3);
  const socket = createSocket('udp4');
  onTestFinished(() => void socket.close());
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  for (let index = 0; index < 30; index++) socket.send(Buffer.of(index), port, '127.0.0.1');
  await expect
    .poll(() => pipeline.troubles(), SOON)
    .toEqual([expect.stringContaining('carry: cannot deliver')]);
  await pipeline.stop();
  const text = await metrics.registry.metrics();
  expect(text).toContain(
    'ingest_exporter_datagrams_total{stage="carry",exporter="127.0.0.1"} 30\n',
  );
  expect(text).toContain('ingest_lost_datagrams_total{stage="carry",reason="closing"} 30\n');
  expect(text).toContain('ingest_carried_datagrams_total{stage="carry"} 0\n');
  expect(text).toContain('ingest_carried_waiting_bytes{stage="carry"} 0\n');
});
