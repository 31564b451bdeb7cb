import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { brotliDecompressSync } from 'node:zlib';
import type { StatusResponse } from '../../src/console/api.ts';
import { Lab } from '../support/lab/netns.ts';
import { consoleAddress, type Program, startProgram } from '../support/processes/program.ts';
import type { Figure } from './figure.ts';

const ACTIVE_TIMEOUT_MS = 1000;
const IDLE_MS = 15_000;
const FLOWS_PER_SECOND = 10_000;
const LOAD_SECONDS = 30;
const DELAY_RUNS = 5;
const DELAY_POLL_MS = 20;

/** The whole program as a user runs it, on a veth pair between two namespaces. */
export async function benchEndToEnd(): Promise<readonly Figure[]> {
  await using lab = new Lab();
  const left = lab.namespace('left');
  const right = lab.namespace('right');
  const [sender, watched] = lab.pair({ namespace: left }, { namespace: right });
  const data = mkdtempSync(join(tmpdir(), 'netobserv-bench-'));
  const args = ['up', '--listen', '127.0.0.1:0', '--data', data, '--interfaces', watched];
  const load = ['--cache-active-timeout', `${ACTIVE_TIMEOUT_MS}ms`, '--cache-max-flows', '50000'];
  const program = startProgram([...args, ...load], { flavour: 'packed' });
  try {
    const address = await consoleAddress(program);
    const page = await pageLoadBytes(address);
    await sleep(IDLE_MS);
    const idle = residentMegabytes(program);
    const idleAnonymous = residentMegabytes(program, 'RssAnon');

    const delaysMs: number[] = [];
    for (let round = 0; round < DELAY_RUNS; round++) {
      delaysMs.push(
        await delayMs(address, () => lab.sweep(left, sender, { flows: 1, perSecond: 1 })),
      );
    }

    const cpuBefore = cpuSeconds(program);
    const rowsBefore = await rowsIn(address);
    const peak = await peakDuring(program, () =>
      lab.sweep(left, sender, {
        flows: FLOWS_PER_SECOND * LOAD_SECONDS,
        perSecond: FLOWS_PER_SECOND,
      }),
    );
    const cpu = (cpuSeconds(program) - cpuBefore) / LOAD_SECONDS;
    await sleep(3 * ACTIVE_TIMEOUT_MS);
    const rows = (await rowsIn(address)) - rowsBefore;
    const worst = Math.max(...delaysMs);
    const share = (100 * rows) / (FLOWS_PER_SECOND * LOAD_SECONDS);
    return figuresOf({ page, idle, idleAnonymous, peak, cpu, share, worst });
  } finally {
    await program.stop();
    rmSync(data, { recursive: true, force: true });
  }
}

function figuresOf(measured: {
  readonly page: number;
  readonly idle: number;
  readonly idleAnonymous: number;
  readonly peak: { readonly total: number; readonly anonymous: number };
  /** Share of a core. */
  readonly cpu: number;
  /** Percentage of the sent flows whose rows were stored. */
  readonly share: number;
  /** Delays from packet to row, in milliseconds. */
  readonly worst: number;
}): readonly Figure[] {
  const { page, idle, idleAnonymous, peak, cpu, share, worst } = measured;
  return [
    {
      name: 'first page load, compressed',
      value: page / 1000,
      unit: 'KB',
      target: { max: 300 },
    },
    { name: 'resident memory, idle', value: idle, unit: 'MB' },
    {
      name: 'resident memory, idle, without code and other pages of files',
      value: idleAnonymous,
      unit: 'MB',
    },
    {
      name: 'resident memory at 10k new flows/s, peak',
      value: peak.total,
      unit: 'MB',
      target: { max: 150 },
    },
    {
      name: 'resident memory at 10k new flows/s, without code and other pages of files, peak',
      value: peak.anonymous,
      unit: 'MB',
    },
    { name: 'CPU at 10k new flows/s', value: cpu * 100, unit: '% of a core' },
    {
      name: 'rows stored of flows sent',
      value: share,
      unit: '%',
    },
    {
      name: 'packet to row visible in the API, worst, beyond the active timeout',
      value: Math.max(0, worst - ACTIVE_TIMEOUT_MS),
      unit: 'ms',
      target: { max: 300 },
      note: `${DELAY_RUNS} packets, worst ${worst.toFixed(0)} ms, timeout ${ACTIVE_TIMEOUT_MS} ms`,
    },
  ];
}

function statusOf(program: Program, field: string): number {
  const text = readFileSync(`/proc/${program.child.pid}/status`, 'utf8');
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(text)?.[1]);
}

function residentMegabytes(program: Program, field = 'VmRSS'): number {
  return (statusOf(program, field) * 1024) / 1e6;
}

/** User and system time so far, which the kernel counts in hundredths of a second. */
function cpuSeconds(program: Program): number {
  const text = readFileSync(`/proc/${program.child.pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function peakDuring(
  program: Program,
  work: () => Promise<unknown>,
): Promise<{ readonly total: number; readonly anonymous: number }> {
  const peak = { total: 0, anonymous: 0 };
  const timer = setInterval(() => {
    peak.total = Math.max(peak.total, residentMegabytes(program));
    peak.anonymous = Math.max(peak.anonymous, residentMegabytes(program, 'RssAnon'));
  }, 200);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  return peak;
}

async function rowsIn(address: string): Promise<number> {
  const answer = await fetch(`${address}/api/status`);
  return ((await answer.json()) as StatusResponse).store.rows;
}

/** From just before a packet is sent until the store counts its row. */
async function delayMs(address: string, send: () => Promise<unknown>): Promise<number> {
  const before = await rowsIn(address);
  const fromMs = performance.now();
  await send();
  while ((await rowsIn(address)) === before) {
    if (performance.now() - fromMs > 30_000) throw new Error('the packet never became a row');
    await sleep(DELAY_POLL_MS);
  }
  return performance.now() - fromMs;
}

/** Bytes on the wire of the page and of everything that it references, as a browser would ask. */
async function pageLoadBytes(address: string): Promise<number> {
  const seen = new Set<string>();
  const waiting = ['/'];
  let bytes = 0;
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    const [size, text, isPage] = await fetchCompressed(`${address}${path}`);
    bytes += size;
    if (!isPage) continue;
    for (const [, link] of text.matchAll(/(?:src|href)="\.?(\/[^"]+\.(?:js|css|svg))"/g)) {
      waiting.push(link!);
    }
  }
  return bytes;
}

function fetchCompressed(url: string): Promise<[number, string, boolean]> {
  return new Promise((resolve, reject) => {
    get(url, { headers: { 'accept-encoding': 'br' } }, (answer) => {
      const pieces: Buffer[] = [];
      answer.on('data', (piece: Buffer) => pieces.push(piece));
      answer.on('end', () => {
        const body = Buffer.concat(pieces);
        const plain =
          answer.headers['content-encoding'] === 'br' ? brotliDecompressSync(body) : body;
        const isPage = (answer.headers['content-type'] ?? '').startsWith('text/html');
        resolve([body.length, plain.toString('utf8'), isPage]);
      });
    }).on('error', reject);
  });
}
