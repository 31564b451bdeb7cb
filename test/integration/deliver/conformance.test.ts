import { Writable } from 'node:stream';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { BufferPool } from '../../../src/deliver/buffer-pool.ts';
import { Delivery } from '../../../src/deliver/delivery.ts';
import { IpfixEncoder } from '../../../src/deliver/encoders/ipfix.ts';
import { jsonLinesEncoder } from '../../../src/deliver/encoders/json-lines.ts';
import { recordsEncoder } from '../../../src/deliver/encoders/pbflow.ts';
import type { Message } from '../../../src/deliver/message.ts';
import { createDeliveryMetrics } from '../../../src/deliver/metrics.ts';
import { Outlet } from '../../../src/deliver/outlet.ts';
import { GrpcTarget } from '../../../src/deliver/targets/grpc.ts';
import { HttpTarget } from '../../../src/deliver/targets/http.ts';
import { IpfixTcp } from '../../../src/deliver/targets/ipfix.ts';
import { StreamTarget } from '../../../src/deliver/targets/stream.ts';
import type { FlowBatch } from '../../../src/flow/batch.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import {
  describeConformance,
  LIMITS,
  type Row,
  type Way,
} from '../../support/deliver/conformance.ts';
import {
  grpcReceiver,
  httpReceiver,
  ipfixReceiver,
  type Receiver,
} from '../../support/deliver/receivers.ts';
import { type Fault, FaultyProxy } from '../../support/net/faulty-proxy.ts';

const log = pino({ level: 'silent' });
function delivery<M extends Message>(
  target: ConstructorParameters<typeof Delivery<M>>[1]['target'],
) {
  const metrics = createDeliveryMetrics(createMetrics(''), 'test');
  return new Delivery<M>(LIMITS, { target, clock: systemClock, log, metrics, random: () => 0.5 });
}

const selected = ({ selected: rows }: FlowBatch): number => rows;

async function proxied(receiver: Receiver): Promise<FaultyProxy> {
  const proxy = new FaultyProxy(receiver.port);
  await proxy.start();
  onTestFinished(async () => await proxy[Symbol.asyncDispose]());
  return proxy;
}

async function grpcWay(): Promise<Way> {
  const receiver = await grpcReceiver();
  const proxy = await proxied(receiver);
  const target = new GrpcTarget(
    {
      ...{ host: '127.0.0.1', port: proxy.port, tls: undefined },
      ...{ method: '/pbflow.Collector/Send', messageBytesMax: 2 ** 20, inFlightMax: 4 },
      ...{ attemptTimeoutMs: LIMITS.attemptTimeoutMs, reconnectMs: 0, reconnectJitterMs: 0 },
    },
    { clock: systemClock, log, random: () => 0.5 },
  );
  const encoder = recordsEncoder(new BufferPool(), { flowsMax: 1000, bytesMax: 2 ** 20 });
  const outlet = new Outlet(encoder, delivery(target), selected);
  return { receiver, outlet, become: (fault) => proxy.become(fault) };
}

async function httpWay(): Promise<Way> {
  const receiver = await httpReceiver();
  const proxy = await proxied(receiver);
  const target = new HttpTarget(
    {
      url: `http://127.0.0.1:${proxy.port}/push?x=1`,
      inFlightMax: 4,
      answerTimeoutMs: LIMITS.attemptTimeoutMs,
      isIdempotent: false,
      headers: () => ({ 'content-type': 'application/x-ndjson' }),
    },
    { renewed: () => undefined, refused: () => undefined },
  );
  const outlet = new Outlet(jsonLinesEncoder(), delivery(target), selected);
  return { receiver, outlet, become: (fault) => proxy.become(fault) };
}

async function ipfixWay(): Promise<Way> {
  const receiver = await ipfixReceiver();
  const proxy = await proxied(receiver);
  const encoder = new IpfixEncoder({
    ...{ messageMaxBytes: 1024, burstMessages: 1, enterprise: 0 },
    ...{ shortFlags: false, samplingOption: 0 },
  });
  const target = new IpfixTcp({
    ...{ host: '127.0.0.1', port: proxy.port, clock: systemClock, log },
    preamble: () => encoder.preamble(),
  });
  const outlet = new Outlet(encoder, delivery(target), selected);
  return { receiver, outlet, become: (fault) => proxy.become(fault) };
}

/** A stream whose reader fails in the same ways; `dead` is a reader that is gone for good. */
async function streamWay(): Promise<Way> {
  const marks: number[] = [];
  let fault: Fault = 'healthy';
  let stuck: (() => void) | undefined;
  const stream = new Writable({
    write(piece: Buffer, _encoding, done) {
      const take = (): void => {
        const lines = piece.toString().trimEnd().split('\n');
        marks.push(...lines.map((line) => Number(JSON.parse(line).Bytes)));
        done();
      };
      if (fault === 'dead') done(new Error('EPIPE'));
      else if (fault === 'hung' || fault === 'half') stuck = take;
      else if (fault === 'slow') setTimeout(take, 20);
      else take();
    },
  });
  stream.on('error', () => undefined);
  const target = new StreamTarget(stream, 'the stream');
  const outlet = new Outlet(jsonLinesEncoder(), delivery(target), selected);
  const become = async (next: Fault): Promise<void> => {
    fault = next;
    if (next === 'hung' || next === 'half') return;
    stuck?.();
    stuck = undefined;
  };
  return { receiver: { port: 0, marks: () => marks }, outlet, become };
}

const WAYS: Readonly<Record<string, Row>> = {
  grpc: { make: grpcWay, hasAnswers: true, mayRepeat: true },
  http: { make: httpWay, hasAnswers: true },
  'ipfix+tcp': { make: ipfixWay, hasAnswers: false },
  stream: { make: streamWay, hasAnswers: true },
};

for (const [name, row] of Object.entries(WAYS)) describeConformance(name, row);
