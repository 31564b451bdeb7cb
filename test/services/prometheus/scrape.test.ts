import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, fetch } from 'undici';
import { expect, onTestFinished, test } from 'vitest';
import type { Row } from '../../support/models/interpreter/rows.ts';
import { selfSigned } from '../../support/net/certificate.ts';
import { freePort, startProgram } from '../../support/processes/program.ts';
import { Prometheus } from './prometheus.ts';

/** `netobserv processor` with `encode: prom`, scraped by a real Prometheus. */

const TOKEN = '0123456789abcdef0123456789abcdef';
const rows: readonly Row[] = Array.from({ length: 5000 }, (_, index) => ({
  DnsName: `name-${index % 50}`,
  Proto: index % 3 === 0 ? 6 : 17,
  Bytes: (index * 7919) % 5000,
}));
const METRICS = [
  { name: 'size', type: 'histogram', valueKey: 'Bytes', labels: ['Proto'], buckets: [100, 1000] },
  { name: 'bytes_total', type: 'counter', valueKey: 'Bytes', labels: ['DnsName'] },
];
const SERIES_MAX = 30;

/** Sums by a label, as `{"label":"value"}`. */
function sums(label: string, of: (row: Row) => number): Record<string, number> {
  const all: Record<string, number> = {};
  for (const row of rows) {
    const key = JSON.stringify({ [label]: String(row[label]) });
    all[key] = (all[key] ?? 0) + of(row);
  }
  return all;
}

test.each(['metricsSettings', 'prom'])(
  'by TLS and a token of %s: the sums of all flows; beyond maxMetrics, other has the rest',
  async (place) => {
    const folder = mkdtempSync(join(tmpdir(), 'netobserv-scrape-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const at = (name: string): string => join(folder, name);
    const { cert, key } = selfSigned();
    writeFileSync(at('server.crt'), cert);
    writeFileSync(at('server.key'), key);
    writeFileSync(at('token'), `${TOKEN}\n`);
    const port = await freePort();
    const server = {
      ...{ address: '127.0.0.1', port, tokenPath: at('token') },
      tls: { certPath: at('server.crt'), keyPath: at('server.key') },
    };
    const prom = { metrics: METRICS, maxMetrics: SERIES_MAX, ...(place === 'prom' ? server : {}) };
    const settings = place === 'prom' ? { disableGlobalServer: true } : server;
    const config = {
      pipeline: [{ name: 'out', follows: 'in' }],
      parameters: [
        { name: 'in', ingest: { type: 'stdin' } },
        { name: 'out', encode: { type: 'prom', prom } },
      ],
      metricsSettings: settings,
    };
    writeFileSync(at('config.json'), JSON.stringify(config));
    const processor = startProgram(['processor', '--config', at('config.json')], {
      stdin: 'pipe',
    });
    onTestFinished(async () => void (await processor.stop()));
    processor.child.stdin!.write(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    const scrape = `, scheme: https, tls_config: {ca_file: ${at('server.crt')}}`;
    const credentials = `, authorization: {credentials_file: ${at('token')}}`;
    await using prometheus = await Prometheus.start({
      scrapes: `127.0.0.1:${port}`,
      scrape: `${scrape}${credentials}`,
    });
    const flows = 'sum without(job, instance) (size_count)';
    await expect.poll(() => prometheus.values(flows)).toEqual(sums('Proto', () => 1));

    const bytes = await prometheus.values('sum without(job, instance) (bytes_total)');
    const { [JSON.stringify({ DnsName: 'other' })]: other, ...shown } = bytes;
    const wanted = sums('DnsName', ({ Bytes }) => Number(Bytes));
    // Two are those of the histogram.
    expect(Object.keys(shown)).toHaveLength(SERIES_MAX - 2);
    for (const [name, value] of Object.entries(shown)) expect(value).toBe(wanted[name]);
    const total = Object.values(wanted).reduce((sum, value) => sum + value, 0);
    expect(other! + Object.values(shown).reduce((sum, value) => sum + value, 0)).toBe(total);
    for (const bound of [100, 1000]) {
      const query = `sum without(job, instance, le) (size_bucket{le="${bound}"})`;
      const upTo = sums('Proto', ({ Bytes }) => (Number(Bytes) <= bound ? 1 : 0));
      expect(await prometheus.values(query)).toEqual(upTo);
    }
    expect(await prometheus.values('sum without(job, instance) (up)')).toEqual({ '{}': 1 });

    const agent = new Agent({ connect: { rejectUnauthorized: false } });
    for (const [token, status] of [
      [TOKEN, 200],
      [TOKEN.toUpperCase(), 401],
    ] as const) {
      const answer = await fetch(`https://127.0.0.1:${port}/metrics`, {
        headers: { authorization: `Bearer ${token}` },
        dispatcher: agent,
      });
      expect(answer.status).toBe(status);
      await answer.body?.cancel();
    }
    await agent.close();
  },
);
