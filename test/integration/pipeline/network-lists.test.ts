import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { appendRows } from '../../support/models/interpreter/rows.ts';
import { testPipeline } from '../../support/models/interpreter/setup.ts';

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'netobserv-lists-'));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

/** Labels addresses by `subnetLabels`. */
async function labelling(subnetLabels: readonly object[], options: object = {}) {
  const rule = {
    type: 'add_subnet_label',
    add_subnet_label: { input: 'SrcAddr', output: 'SrcSubnetLabel' },
  };
  const { pipeline, stores, clock, metrics } = testPipeline({
    pipeline: [
      { name: 'net', follows: 'preset-ingester' },
      { name: 'out', follows: 'net' },
    ],
    parameters: [
      {
        name: 'net',
        transform: { type: 'network', network: { rules: [rule], subnetLabels, ...options } },
      },
      { name: 'out', write: { type: 'store', store: { name: 'a' } } },
    ],
  });
  await pipeline.start(new AbortController().signal);
  onTestFinished(() => pipeline.stop());
  const labels = async (...addresses: readonly string[]): Promise<readonly unknown[]> => {
    const before = stores.a.rows.length;
    const batch = pipeline.take();
    appendRows(
      batch,
      addresses.map((SrcAddr) => ({ SrcAddr })),
    );
    pipeline.emit(batch);
    await expect.poll(() => stores.a.rows.length).toBe(before + addresses.length);
    return stores.a.rows.slice(before).map(({ SrcSubnetLabel }) => SrcSubnetLabel);
  };
  return { labels, clock, metrics };
}

/** Forms in which providers publish their networks. */
const LISTS: Readonly<Record<string, string>> = {
  'one in a line, with comments': '# office\n198.51.100.0/24 # and home\n2001:db8:1::/48\n',
  'ip-ranges.json of AWS': JSON.stringify({
    prefixes: [{ ip_prefix: '198.51.100.0/24', region: 'eu-west-3' }],
    ipv6_prefixes: [{ ipv6_prefix: '2001:db8:1::/48' }],
  }),
  'cloud.json of Google': JSON.stringify({
    creationTime: '2026-11-30T10:20:30/1',
    prefixes: [{ ipv4Prefix: '198.51.100.0/24' }, { ipv6Prefix: '2001:db8:1::/48' }],
  }),
  'service tags of Azure': JSON.stringify({
    values: [{ properties: { addressPrefixes: ['198.51.100.0/24', '2001:db8:1::/48'] } }],
  }),
};

test.each(Object.entries(LISTS))('networks from a file: %s', async (_form, text) => {
  const file = join(folder(), 'list');
  writeFileSync(file, text);
  const { labels } = await labelling([
    { name: 'cloud', file },
    { name: 'desk', cidrs: ['198.51.100.7/32'] },
  ]);
  const found = await labels('198.51.100.1', '198.51.100.7', '2001:db8:1::9', '192.0.2.1');
  expect(found).toEqual(['cloud', 'desk', 'cloud', undefined]);
});

test('a file that changes is read again; one without networks is not used', async () => {
  const file = join(folder(), 'list');
  writeFileSync(file, '198.51.100.0/24');
  const { labels, clock } = await labelling([{ name: 'cloud', file, cidrs: ['192.0.2.0/24'] }]);
  const look = async (text: string): Promise<readonly unknown[]> => {
    writeFileSync(file, text);
    clock.jump(31_000);
    return labels('198.51.100.1', '203.0.113.1', '192.0.2.1');
  };
  expect(await labels('198.51.100.1', '203.0.113.1')).toEqual(['cloud', undefined]);
  expect(await look('nothing here')).toEqual(['cloud', undefined, 'cloud']);
  expect(await look('203.0.113.0/24\n')).toEqual([undefined, 'cloud', 'cloud']);
  rmSync(file);
  clock.jump(31_000);
  expect(await labels('203.0.113.1')).toEqual(['cloud']);
});

test.each([
  ['a missing file', undefined, /subnetLabels\[0\]\.file: cannot use .*ENOENT/],
  ['a file without networks', 'none', /it has no networks such as 10\.0\.0\.0\/8/],
])('%s is a mistake', async (_why, text, message) => {
  const file = join(folder(), 'list');
  if (text !== undefined) writeFileSync(file, text);
  await expect(labelling([{ name: 'cloud', file }])).rejects.toThrow(message);
});

describe('a file of labels', () => {
  const LABELS = [
    '# comments are allowed',
    '- {name: office, cidrs: [198.51.100.0/24, 2001:db8:1::/48]}',
    '- name: cloud',
    '  file: LIST',
  ].join('\n');

  test('comes before the labels of the configuration, and is read again', async () => {
    const path = folder();
    const file = join(path, 'networks.yaml');
    writeFileSync(join(path, 'list'), '203.0.113.0/24');
    writeFileSync(file, LABELS.replace('LIST', join(path, 'list')));
    const subnetLabels = [
      { name: 'configured', cidrs: ['198.51.100.0/24', '192.0.2.0/24', '198.51.100.128/25'] },
    ];
    const { labels, clock, metrics } = await labelling(subnetLabels, { subnetLabelsFile: file });
    const addresses = ['198.51.100.1', '198.51.100.129', '192.0.2.1', '203.0.113.1'];
    expect(await labels(...addresses)).toEqual(['office', 'configured', 'configured', 'cloud']);
    expect(await labels('2001:db8:1::9')).toEqual(['office']);

    writeFileSync(file, '- {name: home, cidrs: [198.51.100.0/33]}');
    clock.jump(31_000);
    expect(await labels('198.51.100.1')).toEqual(['office']);
    writeFileSync(file, '- {name: home, cidrs: [198.51.100.0/24]}');
    clock.jump(31_000);
    expect(await labels('198.51.100.1', '203.0.113.1')).toEqual(['home', undefined]);
    const text = await metrics.registry.metrics();
    expect(text).toContain('renewed_files_total{what="networks",outcome="used"} 1');
    expect(text).toContain('renewed_files_total{what="networks",outcome="refused"} 1');
  });

  test.each([
    ['a map', 'office: [192.0.2.0/24]', /networks\.yaml:1:1.*(list|array)/s],
    ['an unknown key', '- {name: a, cidr: [192.0.2.0/24]}', /networks\.yaml:1:\d+.*cidr/s],
    ['a wrong network', '- {name: a, cidrs: [192.0.2.0/240]}', /"192\.0\.2\.0\/240" is not a CIDR/],
    ['a missing list', '- {name: a, file: /nowhere/list}', /cannot use \/nowhere\/list/],
    ['a missing file', undefined, /subnetLabelsFile: cannot read/],
  ])('%s is a mistake', async (_why, text, message) => {
    const file = join(folder(), 'networks.yaml');
    if (text !== undefined) writeFileSync(file, text);
    await expect(labelling([], { subnetLabelsFile: file })).rejects.toThrow(message);
  });
});

test('the addresses of this host have a name', async () => {
  const own = Object.values(networkInterfaces())
    .flatMap((infos = []) => infos)
    .filter(({ internal }) => !internal)
    .map(({ address }) => address);
  const { labels } = await labelling([{ name: 'all', cidrs: ['0.0.0.0/0', '::/0'] }], {
    hostNetworks: true,
  });
  expect(await labels(...own, '127.0.0.1')).toEqual([...own.map(() => 'this host'), 'all']);
});
