import { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { BufferPool } from '../../../src/deliver/buffer-pool.ts';
import { IpfixEncoder } from '../../../src/deliver/encoders/ipfix.ts';
import { jsonLinesEncoder } from '../../../src/deliver/encoders/json-lines.ts';
import { recordsEncoder } from '../../../src/deliver/encoders/pbflow.ts';
import { Outlet } from '../../../src/deliver/outlet.ts';
import { GrpcTarget } from '../../../src/deliver/targets/grpc.ts';
import { HttpTarget } from '../../../src/deliver/targets/http.ts';
import { IpfixTcp } from '../../../src/deliver/targets/ipfix.ts';
import { StreamTarget } from '../../../src/deliver/targets/stream.ts';
import { BatchQueue, type BatchWriter } from '../../../src/pipeline/graph/batch-queue.ts';
import type { Lease, Sink } from '../../../src/pipeline/stage.ts';
import {
  delivery,
  describeConformance,
  LIMITS,
  log,
  type Row,
  selected,
  type Way,
} from '../../support/deliver/conformance.ts';
import {
  grpcReceiver,
  httpReceiver,
  ipfixReceiver,
  type Receiver,
} from '../../support/deliver/receivers.ts';
import { type Fault, FaultyProxy } from '../../support/net/faulty-proxy.ts';

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

/** A queue before a writer that fails, as a store may. `half`: it writes, and reports a failure. */
async function queueWay(): Promise<Way> {
  const marks: number[] = [];
  let fault: Fault = 'healthy';
  let recovered = Promise.withResolvers<void>();
  let writes = 0;
  const writer: BatchWriter = {
    name: 'queue',
    reads: 'all',
    async write(batch) {
      const rows = batch.f64('Bytes');
      writes++;
      if (fault === 'hung') await recovered.promise;
      if (fault === 'slow') await sleep(20);
      const isRefused = fault === 'dead' || (fault === 'flapping' && writes % 2 === 0);
      if (isRefused) throw new Error('the disk is full');
      for (let i = 0; i < batch.length; i++) marks.push(rows[i]!);
      if (fault === 'half') throw new Error('the connection was cut');
    },
  };
  const queue = new BatchQueue(writer, { clock: systemClock, log, queue: { rows: 160 } });
  const become = async (next: Fault): Promise<void> => {
    fault = next;
    if (next === 'hung') return;
    recovered.resolve();
    recovered = Promise.withResolvers();
  };
  const receiver = { port: 1, marks: () => marks };
  return { receiver, outlet: sinkOutlet(queue), become };
}

/** A sink, stopped as the graph stops it: what is left at the end of its time is lost. */
function sinkOutlet(sink: Sink): Way['outlet'] {
  let waiting = 0;
  return {
    start: async (signal) => sink.start?.(signal),
    offer(batch, settlement) {
      const rows = batch.selected;
      const count = (settle: (rows: number) => void) => (settled: number) => {
        waiting -= settled;
        settle(settled);
      };
      const lease: Lease = {
        arrived: count(settlement.arrived),
        lost: (settled, reason) => count(() => settlement.lost(settled, reason))(settled),
        // Each batch is new, and nothing else changes it.
        hold: () => undefined,
        release: () => undefined,
      };
      waiting += rows;
      const isTaken = sink.offer(batch, lease);
      if (!isTaken) waiting -= rows;
      return isTaken;
    },
    backlog() {
      sink.settle?.();
      return { flows: waiting };
    },
    async stop() {
      await Promise.race([sink.drain?.(), sleep(LIMITS.drainTimeoutMs)]);
      await sink.stop?.();
    },
  };
}

const WAYS: Readonly<Record<string, Row>> = {
  grpc: { make: grpcWay, hasAnswers: true, mayRepeat: true },
  http: { make: httpWay, hasAnswers: true },
  'ipfix+tcp': { make: ipfixWay, hasAnswers: false },
  stream: { make: streamWay, hasAnswers: true },
  'queue of a store': { make: queueWay, hasAnswers: true },
};

for (const [name, row] of Object.entries(WAYS)) describeConformance(name, row);
