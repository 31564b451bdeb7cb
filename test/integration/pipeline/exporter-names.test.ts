import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { expect, onTestFinished, test } from 'vitest';
import { type Clock, systemClock } from '../../../src/base/clock.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import {
  ipfix,
  octets,
  optionsTemplate,
  optionsTemplate9,
  set,
  template,
  v9,
} from '../../support/codec/netflow-bytes.ts';
import { flowSample, part, sflow, words } from '../../support/codec/sflow-bytes.ts';
import { testPipeline } from '../../support/models/interpreter/setup.ts';
import { freePort } from '../../support/processes/program.ts';

const SOON = { timeout: 20_000, interval: 20 } as const;

function fileOf(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'netobserv-exporters-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'exporters.yaml');
  writeFileSync(path, text);
  return path;
}

/** A clock that can be put forward. */
function jumpingClock(): Clock & { jump(ms: number): void } {
  let offsetMs = 0;
  return {
    nowMs: () => systemClock.nowMs(),
    monotonicMs: () => systemClock.monotonicMs() + offsetMs,
    sleep: (ms, signal) => systemClock.sleep(ms, signal),
    every: (ms, run) => systemClock.every(ms, run),
    jump: (ms) => {
      offsetMs += ms;
    },
  };
}

interface Served {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly lines: string[];
  readonly clock: ReturnType<typeof jumpingClock>;
  send(datagram: Uint8Array): Promise<void>;
  metrics(): Promise<string>;
}

/** A pipeline from UDP to a store. */
async function serve(type: string, options: Readonly<Record<string, unknown>>): Promise<Served> {
  const port = await freePort();
  const clock = jumpingClock();
  const lines: string[] = [];
  const output = new Writable({
    write(bytes: Uint8Array, _encoding, done) {
      lines.push(Buffer.from(bytes).toString());
      done();
    },
  });
  const { pipeline, stores, metrics } = testPipeline(
    {
      pipeline: [{ name: 'out', follows: 'in' }],
      parameters: [
        { name: 'in', ingest: { type, [type]: { hostName: '127.0.0.1', port, ...options } } },
        { name: 'out', write: { type: 'store', store: { name: 'a' } } },
      ],
    },
    { clock, log: createLog('info', output) },
  );
  await pipeline.start(new AbortController().signal);
  onTestFinished(() => pipeline.stop());
  const socket = createSocket('udp4');
  onTestFinished(() => void socket.close());
  return {
    rows: stores.a.rows,
    lines,
    clock,
    send: (datagram) =>
      new Promise((resolve, reject) => {
        socket.send(datagram, port, '127.0.0.1', (error) => (error ? reject(error) : resolve()));
      }),
    metrics: () => metrics.registry.metrics(),
  };
}

const FIELDS = [
  [1, 4],
  [10, 4],
  [14, 4],
] as const;
/** Octets, input and output interface. */
const record = (bytes: number, input: number, output: number): Buffer =>
  octets([4, bytes], [4, input], [4, output]);
const flows = (...records: readonly Uint8Array[]): Buffer =>
  ipfix({}, set(2, template(256, FIELDS)), set(256, ...records));

const EDGE = `
127.0.0.1:
  name: edge-1
  site: fra
  role: border
  interfaces:
    1: {name: et-0/0/1, description: transit, speedMbps: 100000}
    7: {name: xe-0/1/7}
"2001:DB8::1": {name: other}
`;

test('exporters and interfaces have the names of the file; others have none', async () => {
  const { send, rows } = await serve('ipfix', { exportersFile: fileOf(EDGE) });
  await send(flows(record(10, 1, 7), record(20, 9, 1)));
  await expect.poll(() => rows.length, SOON).toBe(2);
  const names = { SamplerName: 'edge-1', SamplerSite: 'fra', SamplerRole: 'border' };
  expect(rows[0]).toMatchObject({
    ...names,
    ...{ InIf: 1, InIfName: 'et-0/0/1', InIfDescription: 'transit', InIfSpeedMbps: 100_000 },
    ...{ OutIf: 7, OutIfName: 'xe-0/1/7' },
  });
  expect(rows[0]).not.toHaveProperty('OutIfDescription');
  expect(rows[0]).not.toHaveProperty('OutIfSpeedMbps');
  expect(rows[1]).toMatchObject({ ...names, InIf: 9, OutIfName: 'et-0/0/1' });
  expect(rows[1]).not.toHaveProperty('InIfName');
});

test('switches are named by the address that they give', async () => {
  const exporters = { '192.0.2.99': { name: 'tor-3', interfaces: { 3: { name: 'swp3' } } } };
  const { send, rows } = await serve('sflow', { exporters });
  const ethernet = part(2, words(64, 0x0200_0000, 0x0100_0000, 0x0200_0000, 0x0200_0000, 0x0800));
  await send(sflow({ agent: '192.0.2.99' }, flowSample({ rate: 10 }, ethernet)));
  await expect.poll(() => rows.length, SOON).toBe(1);
  expect(rows[0]).toMatchObject({ SamplerName: 'tor-3', InIfName: 'swp3', OutIf: 7 });
  expect(rows[0]).not.toHaveProperty('OutIfName');
});

const fixed = (text: string, length: number): Buffer => {
  const bytes = Buffer.alloc(length);
  bytes.write(text);
  return bytes;
};

test('names that exporters send fill the gaps of the file', async () => {
  const { send, rows, metrics, clock } = await serve('ipfix', { exportersFile: fileOf(EDGE) });
  // IPFIX (RFC 7011): the scope is ingressInterface; the description has a variable length.
  const templateOf = optionsTemplate(300, 1, [
    [10, 4],
    [82, 16],
    [83, 65_535],
  ]);
  const option = (index: number, name: string, description: string): Buffer => {
    const length = octets([1, description.length]);
    return Buffer.concat([octets([4, index]), fixed(name, 16), length, Buffer.from(description)]);
  };
  const known = [
    option(1, 'ignored', 'ignored'),
    option(7, 'ignored', 'peer'),
    option(9, 'lo0', ''),
  ];
  await send(ipfix({}, set(3, templateOf), set(300, ...known)));
  await send(flows(record(10, 9, 7), record(20, 1, 8)));
  await expect.poll(() => rows.length, SOON).toBe(2);
  expect(rows[0]).toMatchObject({
    ...{ InIfName: 'lo0', OutIfName: 'xe-0/1/7', OutIfDescription: 'peer' },
  });
  expect(rows[1]).toMatchObject({ InIfName: 'et-0/0/1', InIfDescription: 'transit', OutIf: 8 });
  expect(rows[1]).not.toHaveProperty('OutIfName');

  // NetFlow 9 (RFC 3954): the scope 2 is an interface; the same exporter, with another name now.
  const scopes = optionsTemplate9(301, [[2, 4]], [[82, 8]]);
  await send(v9({}, set(1, scopes), set(301, octets([4, 9]), fixed('lo1', 8))));
  await send(flows(record(30, 9, 9)));
  await expect.poll(() => rows.length, SOON).toBe(3);
  expect(rows[2]).toMatchObject({ InIfName: 'lo1', OutIfName: 'lo1' });

  clock.jump(1000);
  await expect.poll(metrics, SOON).toContain('ingest_interface_names{stage="in"} 3');
});

test('a changed file is read again; a wrong one is refused, and the old names stay', async () => {
  const exportersFile = fileOf('127.0.0.1: {name: first}');
  const { send, rows, lines, clock, metrics } = await serve('ipfix', { exportersFile });
  const nameAfter = async (text: string): Promise<unknown> => {
    writeFileSync(exportersFile, text);
    clock.jump(6000);
    const before = rows.length;
    await send(flows(record(10, 1, 1)));
    await expect.poll(() => rows.length, SOON).toBe(before + 1);
    return rows[before]!.SamplerName;
  };
  expect(await nameAfter('127.0.0.1: {name: second}')).toBe('second');
  expect(await nameAfter('127.0.0.1: {nam: third}')).toBe('second');
  const problem = /"level":40.*exporters\.yaml:1:13 127\.0\.0\.1\.nam: .*did you mean/;
  expect(lines.join('')).toMatch(problem);
  expect(await nameAfter('{}')).toBeUndefined();
  const text = await metrics();
  expect(text).toContain('renewed_files_total{what="exporters",outcome="used"} 2');
  expect(text).toContain('renewed_files_total{what="exporters",outcome="refused"} 1');
});

const PIPELINE = (options: Readonly<Record<string, unknown>>) => ({
  pipeline: [{ name: 'out', follows: 'in' }],
  parameters: [
    { name: 'in', ingest: { type: 'ipfix', ipfix: options } },
    { name: 'out', write: { type: 'store', store: { name: 'a' } } },
  ],
});

test.each([
  ['no address', 'edge: {name: a}', /exporters\.yaml:1:1 edge: is not an address/],
  ['no index', '192.0.2.1: {interfaces: {eth0: {}}}', /:1:26 .*is not an SNMP index/],
  ['the same address twice', '::1: {}\n0::1: {}', /:2:1 0::1: is ::1, which is there already/],
  ['an unknown key', '192.0.2.1: {title: a}', /:1:13 192\.0\.2\.1\.title/],
  ['no YAML', '{', /exporters\.yaml:\d+:\d+/],
])('a file with %s is a mistake at the start', (_why, text, message) => {
  expect(() => testPipeline(PIPELINE({ exportersFile: fileOf(text) }))).toThrow(message);
});

test.each([
  ['a missing file', { exportersFile: '/nowhere/e.yaml' }, /exportersFile: cannot read \/nowhere/],
  [
    'a wrong address',
    { exporters: { edge: {} } },
    /ingest\.ipfix\.exporters\.edge: is not an addr/,
  ],
])('%s is a mistake at the start', (_why, options, message) => {
  expect(() => testPipeline(PIPELINE(options))).toThrow(message);
});

test('names are found for a sink that reads nothing else', async () => {
  const port = await freePort();
  const metric = { name: 'bytes', type: 'counter', valueKey: 'Bytes' };
  const labels = ['SamplerName', 'InIfName'];
  const { pipeline, metrics } = testPipeline(
    {
      pipeline: [{ name: 'out', follows: 'in' }],
      parameters: [
        {
          name: 'in',
          ingest: {
            type: 'ipfix',
            ipfix: { hostName: '127.0.0.1', port, exportersFile: fileOf(EDGE) },
          },
        },
        { name: 'out', encode: { type: 'prom', prom: { metrics: [{ ...metric, labels }] } } },
      ],
    },
    { clock: systemClock },
  );
  await pipeline.start(new AbortController().signal);
  onTestFinished(() => pipeline.stop());
  const socket = createSocket('udp4');
  socket.send(flows(record(10, 1, 7)), port, '127.0.0.1', () => socket.close());
  await expect
    .poll(() => metrics.registry.metrics(), SOON)
    .toMatch(/bytes\{SamplerName="edge-1",InIfName="et-0\/0\/1"\} 10/);
});
