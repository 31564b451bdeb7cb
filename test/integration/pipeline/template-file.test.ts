import { createSocket } from 'node:dgram';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import {
  octets,
  optionsTemplate9,
  set,
  template,
  v4,
  v9,
} from '../../support/codec/netflow-bytes.ts';
import { testPipeline } from '../../support/models/interpreter/setup.ts';
import { freePort } from '../../support/processes/program.ts';

const SOON = { timeout: 20_000, interval: 20 } as const;
const FILE = 'in%2F1.templates.json';

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'netobserv-templates-'));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

/** A processor from its start to its end. */
async function run(templateFolder: string) {
  const port = await freePort();
  const lines: string[] = [];
  const output = new Writable({
    write(bytes: Uint8Array, _encoding, done) {
      lines.push(Buffer.from(bytes).toString());
      done();
    },
  });
  const ipfix = { hostName: '127.0.0.1', port, templateFolder, samplingCorrection: true };
  const { pipeline, stores, metrics } = testPipeline(
    {
      pipeline: [{ name: 'out', follows: 'in/1' }],
      parameters: [
        { name: 'in/1', ingest: { type: 'ipfix', ipfix } },
        { name: 'out', write: { type: 'store', store: { name: 'a' } } },
      ],
    },
    { clock: systemClock, log: createLog('info', output) },
  );
  await pipeline.start(new AbortController().signal);
  let isStopped = false;
  const stop = async (): Promise<void> => {
    if (!isStopped) await pipeline.stop();
    isStopped = true;
  };
  onTestFinished(stop);
  const socket = createSocket('udp4');
  onTestFinished(() => void socket.close());
  const send = (datagram: Uint8Array): Promise<void> =>
    new Promise((resolve, reject) => {
      socket.send(datagram, port, '127.0.0.1', (error) => (error ? reject(error) : resolve()));
    });
  return { rows: stores.a.rows, send, stop, lines, text: () => metrics.registry.metrics() };
}

const TEMPLATES = [
  set(
    0,
    template(256, [
      [8, 4],
      [1, 4],
      [48, 2],
    ]),
  ),
  set(
    1,
    optionsTemplate9(
      300,
      [[1, 4]],
      [
        [48, 2],
        [50, 4],
      ],
    ),
  ),
  set(300, octets([4, 0], [2, 5], [4, 250])),
];
/** From 192.0.2.7, by the sampler 5. */
const DATA = set(256, Buffer.concat([v4('192.0.2.7'), octets([4, 40], [2, 5])]));
const FLOW = { SrcAddr: '192.0.2.7', Bytes: 40 * 250, SamplingRate: 250 };

test('templates and sampling rates survive a restart', async () => {
  const path = folder();
  const first = await run(path);
  await first.send(v9({ sequence: 1 }, ...TEMPLATES, DATA));
  await expect.poll(() => first.rows, SOON).toMatchObject([FLOW]);
  await first.stop();
  expect(readdirSync(path)).toEqual([FILE]);

  const second = await run(path);
  await second.send(v9({ sequence: 9 }, DATA));
  await expect.poll(() => second.rows, SOON).toMatchObject([FLOW]);
  await second.stop();
  expect(await second.text()).not.toContain('ingest_exporter_unknown_templates_total{');

  // A router that started again meanwhile numbers its templates anew.
  const third = await run(path);
  await third.send(v9({ sequence: 1, uptimeMs: 1000 }, DATA));
  await third.send(v9({ sequence: 2, uptimeMs: 2000 }, ...TEMPLATES, DATA));
  await expect.poll(() => third.rows.length, SOON).toBe(1);
  await third.stop();
  expect(await third.text()).toMatch(/ingest_exporter_unknown_templates_total\{[^}]*\} 1/);
});

test('the file is written while the program runs, too', async () => {
  const path = folder();
  const { send, rows } = await run(path);
  await send(v9({ sequence: 1 }, ...TEMPLATES, DATA));
  await expect.poll(() => rows.length, SOON).toBe(1);
  await expect.poll(() => readdirSync(path), SOON).toEqual([FILE]);
  const { domains } = JSON.parse(readFileSync(join(path, FILE), 'utf8'));
  expect(domains).toMatchObject([
    { key: '9/127.0.0.1/0/1', samplers: [{ id: 5, rate: 250 }], templates: [{}, {}] },
  ]);
});

const saved = (octets: string, seenMs = Date.now()): string => {
  const template = { isOptions: false, octets, seenMs };
  const domain = { key: '9/127.0.0.1/0/1', uptimeMs: 1, systemInitMs: 0, rate: 0, samplers: [] };
  return JSON.stringify({ format: 1, domains: [{ ...domain, templates: [template] }] });
};
/** Template 256 with sourceIPv4Address, octetDeltaCount and samplerId. */
const GOOD = Buffer.from('01000003000800040001000400300002', 'hex').toString('base64');

test.each([
  ['cut off', saved(GOOD).slice(0, 60), /templates of the last run cannot be used/],
  ['of another form', '{"format": 2}', /format/],
  ['with a cut template', saved(GOOD.slice(0, 12)), /"refused":1/],
  [
    'with a wrong number',
    saved(Buffer.from('0001000100010004', 'hex').toString('base64')),
    /"refused":1/,
  ],
  ['with a key of another kind', saved(GOOD).replace('9/127', '7/127'), /"refused":1/],
])('a file %s is left out, and the program starts', async (_what, text, message) => {
  const path = folder();
  writeFileSync(join(path, FILE), text);
  const { send, rows, lines } = await run(path);
  expect(lines.join('')).toMatch(message);
  await send(v9({ sequence: 1 }, DATA));
  await send(v9({ sequence: 2 }, ...TEMPLATES, DATA));
  await expect.poll(() => rows, SOON).toMatchObject([FLOW]);
});

test.each([
  ['is used', 1, 1],
  ['is too old after more than two hours', 2.01, 0],
])('a template %s', async (_what, hours, flows) => {
  const path = folder();
  writeFileSync(join(path, FILE), saved(GOOD, Date.now() - hours * 3_600_000));
  const { send, rows, stop, text } = await run(path);
  await send(v9({ sequence: 1 }, DATA));
  await send(v9({ sequence: 2, source: 2 }, TEMPLATES[0]!, DATA));
  await expect.poll(() => rows.length, SOON).toBe(flows + 1);
  await stop();
  expect(await text()).toContain(
    'ingest_exporter_datagrams_total{stage="in/1",exporter="127.0.0.1"} 2',
  );
});

test('a folder that is not there is a mistake', async () => {
  const start = run(join(folder(), 'none'));
  await expect(start).rejects.toThrow(/templateFolder: cannot write to the folder .*none.*ENOENT/);
});
