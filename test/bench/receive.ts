import { spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { systemClock } from '../../src/base/clock.ts';
import { ipfix, octets, set, template, v4 } from '../support/codec/netflow-bytes.ts';
import { freePort, startProgram } from '../support/processes/program.ts';
import type { Figure } from './figure.ts';

/**
 * Flows of routers that the executable receives by loopback without losing one, under the limits
 * that the kernel has by default: at a steady rate, and in bursts after silence.
 */

const EXPORTERS = 16;
/** A datagram of 1400 bytes. */
const FLOWS_PER_DATAGRAM = 26;
const RATES = [50_000, 100_000, 200_000, 300_000, 400_000, 600_000, 800_000];
const RATE_TARGET = 200_000;
const STEADY_S = 4;
/** Datagrams of a burst. */
const BURSTS = [32, 64, 128, 256, 512, 1024, 2048, 4096];
const BURSTS_PER_SIZE = 5;
const BURST_PAUSE_MS = 200;
const SOCKETS = [1, 4];
/** The processor passes its counters on every five seconds. */
const COUNTED_MAX_MS = 15_000;
const POLL_MS = 250;

export async function benchReceive(): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  for (const sockets of SOCKETS) figures.push(...(await receiving(sockets)));
  return figures;
}

async function receiving(sockets: number): Promise<readonly Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'netobserv-receive-'));
  const [port, metricsPort] = [await freePort(), await freePort()];
  const file = join(folder, 'pipeline.json');
  const options = { hostName: '127.0.0.1', port, sockets };
  const config = {
    pipeline: [{ name: 'out', follows: 'in' }],
    parameters: [
      { name: 'in', ingest: { type: 'ipfix', ipfix: options } },
      { name: 'out', write: { type: 'none' } },
    ],
    metricsSettings: { address: '127.0.0.1', port: metricsPort },
  };
  writeFileSync(file, JSON.stringify(config));
  const receiver = startProgram(['processor', '--config', file], { flavour: 'packed' });
  try {
    const counts = (): Promise<Counts> => readCounts(metricsPort);
    await ready(counts);
    const name = `receive, ${sockets} ${sockets === 1 ? 'socket' : 'sockets'}`;
    return [
      ...(await steady(name, port, counts, receiver.child.pid!)),
      await bursts(name, port, counts),
    ];
  } finally {
    await receiver.stop();
    rmSync(folder, { recursive: true });
  }
}

interface Counts {
  readonly datagrams: number;
  readonly flows: number;
  readonly lost: number;
}

async function readCounts(port: number): Promise<Counts> {
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
  const text = await answer.text();
  const sum = (name: string): number =>
    Array.from(text.matchAll(new RegExp(`${name}\\{.*\\} (\\d+)`, 'g'))).reduce(
      (all, [, value]) => all + Number(value),
      0,
    );
  return {
    datagrams: sum('ingest_exporter_datagrams_total'),
    flows: sum('ingest_exporter_flows_total'),
    lost: sum('ingest_lost_datagrams_total'),
  };
}

async function ready(counts: () => Promise<Counts>): Promise<void> {
  const untilMs = performance.now() + COUNTED_MAX_MS;
  for (;;) {
    try {
      await counts();
      return;
    } catch (error) {
      if (performance.now() > untilMs) throw error;
      await systemClock.sleep(POLL_MS);
    }
  }
}

/** Fates of the datagrams that were sent since `before`. */
async function settled(
  sent: number,
  before: Counts,
  counts: () => Promise<Counts>,
): Promise<Counts> {
  const untilMs = performance.now() + COUNTED_MAX_MS;
  for (;;) {
    const now = await counts();
    const datagrams = now.datagrams - before.datagrams;
    const lost = now.lost - before.lost;
    if (datagrams + lost >= sent || performance.now() > untilMs) {
      return { datagrams, flows: now.flows - before.flows, lost: Math.max(lost, sent - datagrams) };
    }
    await systemClock.sleep(POLL_MS);
  }
}

/** The highest of the rates at which nothing is lost, and the CPU time of a flow there. */
async function steady(
  name: string,
  port: number,
  counts: () => Promise<Counts>,
  pid: number,
): Promise<readonly Figure[]> {
  let best = 0;
  let cpuUs = 0;
  const notes: string[] = [];
  for (const rate of RATES) {
    const before = await counts();
    const cpu = cpuSeconds(pid);
    const { sent, seconds } = await send(port, ['steady', rate, STEADY_S]);
    const { flows, lost } = await settled(sent, before, counts);
    const real = (sent * FLOWS_PER_DATAGRAM) / seconds;
    notes.push(`${Math.round(real / 1000)}k/s: ${((100 * lost) / sent).toFixed(2)} % lost`);
    // The sender itself must keep up.
    if (lost > 0 || real < 0.95 * rate) break;
    best = real;
    cpuUs = ((cpuSeconds(pid) - cpu) * 1e6) / flows;
  }
  const target = { min: RATE_TARGET };
  const note = notes.join(', ');
  return [
    { name: `${name}, flows a second without loss`, value: best, unit: '1/s', target, note },
    { name: `${name}, CPU time of a flow`, value: cpuUs, unit: 'µs' },
  ];
}

/** The largest of the bursts of which nothing is lost. */
async function bursts(name: string, port: number, counts: () => Promise<Counts>): Promise<Figure> {
  let best = 0;
  const notes: string[] = [];
  for (const size of BURSTS) {
    const before = await counts();
    const { sent } = await send(port, ['burst', size, BURSTS_PER_SIZE]);
    const { lost } = await settled(sent, before, counts);
    notes.push(`${size}: ${((100 * lost) / sent).toFixed(2)} %`);
    if (lost > 0) break;
    best = size;
  }
  const note = `${EXPORTERS} exporters, 1400 bytes each; lost of bursts of ${notes.join(', ')}`;
  return { name: `${name}, burst without loss`, value: best, unit: 'datagrams', note };
}

/** Clock ticks of /proc in a second, on every Linux. */
const TICKS_PER_S = 100;

/** User and system time of a process. */
function cpuSeconds(pid: number): number {
  const [, rest] = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ');
  const words = rest!.split(' ');
  return (Number(words[11]) + Number(words[12])) / TICKS_PER_S;
}

interface Sent {
  readonly sent: number;
  readonly seconds: number;
}

/** Sends in a process of its own: `steady` RATE SECONDS, or `burst` DATAGRAMS TIMES. */
async function send(port: number, how: readonly [string, number, number]): Promise<Sent> {
  const args = [import.meta.filename, String(port), ...how.map(String)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (piece: Buffer) => {
    text += piece.toString();
  });
  await once(child, 'close');
  return JSON.parse(text) as Sent;
}

const FIELDS = [
  ...[[8, 4] as const, [12, 4] as const, [7, 2] as const, [11, 2] as const, [4, 1] as const],
  ...[[1, 8] as const, [2, 8] as const, [152, 8] as const, [153, 8] as const],
  ...[[10, 4] as const, [14, 4] as const],
];

function datagramOf(exporter: number): Buffer {
  const nowMs = Date.now();
  const records = Array.from({ length: FLOWS_PER_DATAGRAM }, (_, flow) =>
    Buffer.concat([
      ...[v4(`10.0.${exporter}.${flow}`), v4('192.0.2.1'), octets([2, 50_000 + flow], [2, 443])],
      octets([1, 6], [8, 1500], [8, 3], [8, nowMs], [8, nowMs + 10], [4, 1], [4, 2]),
    ]),
  );
  return ipfix({ domain: 1 }, set(256, ...records));
}

class Sender {
  readonly #port: number;
  readonly #sockets: Socket[] = [];
  readonly #datagrams = Array.from({ length: EXPORTERS }, (_, exporter) => datagramOf(exporter));
  readonly #sequences = new Uint32Array(EXPORTERS);
  sent = 0;

  constructor(port: number) {
    this.#port = port;
  }

  async open(): Promise<void> {
    for (let exporter = 0; exporter < EXPORTERS; exporter++) {
      const socket = createSocket('udp4');
      socket.bind(0, '127.0.0.1');
      await once(socket, 'listening');
      this.#sockets.push(socket);
      this.#send(exporter, ipfix({ domain: 1 }, set(2, template(256, FIELDS))));
      // Templates must not be lost in the first burst.
      await systemClock.sleep(10);
    }
  }

  next(): void {
    const exporter = this.sent % EXPORTERS;
    const datagram = this.#datagrams[exporter]!;
    datagram.writeUInt32BE(this.#sequences[exporter]!, 8);
    this.#sequences[exporter] = this.#sequences[exporter]! + FLOWS_PER_DATAGRAM;
    this.#send(exporter, datagram);
  }

  close(): void {
    for (const socket of this.#sockets) socket.close();
  }

  #send(exporter: number, datagram: Buffer): void {
    this.#sockets[exporter]!.send(datagram, this.#port, '127.0.0.1');
    this.sent++;
  }
}

async function sendSteady(sender: Sender, rate: number, seconds: number): Promise<void> {
  const perMs = rate / FLOWS_PER_DATAGRAM / 1000;
  const total = perMs * seconds * 1000;
  const startMs = performance.now();
  for (let count = 0; count < total; await nextTurn()) {
    const due = Math.min(total, (performance.now() - startMs) * perMs);
    for (; count < due; count++) sender.next();
  }
}

async function sendBursts(sender: Sender, size: number, times: number): Promise<void> {
  for (let time = 0; time < times; time++) {
    for (let count = 0; count < size; count++) sender.next();
    await systemClock.sleep(BURST_PAUSE_MS);
  }
}

if (import.meta.main) {
  const [port, how, amount, times] = process.argv.slice(2);
  const sender = new Sender(Number(port));
  await sender.open();
  const startMs = performance.now();
  const run = how === 'steady' ? sendSteady : sendBursts;
  await run(sender, Number(amount), Number(times));
  const seconds = (performance.now() - startMs) / 1000;
  console.log(JSON.stringify({ sent: sender.sent, seconds }));
  sender.close();
}
