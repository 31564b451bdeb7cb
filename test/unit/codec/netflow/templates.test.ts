import { describe, expect, test } from 'vitest';
import { LIFETIME_MS } from '../../../../src/codec/exporters/session.ts';
import {
  DOMAIN_TEMPLATES_MAX,
  DOMAINS_MAX,
  TEMPLATES_MAX,
} from '../../../../src/codec/netflow/templates.ts';
import {
  type Field,
  ipfix,
  octets,
  optionsTemplate,
  set,
  template,
  testReader,
  v5,
  v9,
} from '../../../support/codec/netflow-bytes.ts';

const PORTS: readonly Field[] = [
  [7, 2],
  [11, 2],
];
const PACKETS: readonly Field[] = [
  [2, 2],
  [1, 2],
];
const record = octets([2, 1], [2, 2]);
const data = set(256, record);

describe('templates', () => {
  test('data before its template is counted; a later template serves data after it', () => {
    const reader = testReader();
    expect(reader.read(v9({}, data))).toMatchObject({ unknownSets: 1, flows: 0 });
    expect(reader.read(v9({}, set(0, template(256, PORTS)), data)).rows).toMatchObject([
      { SrcPort: 1, DstPort: 2 },
    ]);
  });

  test('another template of the same number takes its place', () => {
    const reader = testReader();
    reader.read(ipfix({}, set(2, template(256, PORTS))));
    const { rows } = reader.read(ipfix({}, set(2, template(256, PACKETS)), data));
    expect(rows).toMatchObject([{ Packets: 1, Bytes: 2 }]);
    expect(reader.reader.sizes.templates).toBe(1);
  });

  test('NetFlow 9 knows an exporter by its address, IPFIX by its port as well', () => {
    const reader = testReader();
    reader.read(v9({}, set(0, template(256, PORTS))), { port: 1 });
    expect(reader.read(v9({}, data), { port: 2 }).flows).toBe(1);
    expect(reader.read(v9({}, data), { address: '192.0.2.2' }).unknownSets).toBe(1);
    expect(reader.read(v9({ source: 2 }, data)).unknownSets).toBe(1);
    reader.read(ipfix({}, set(2, template(256, PORTS))), { port: 1 });
    expect(reader.read(ipfix({}, data), { port: 1 }).flows).toBe(1);
    expect(reader.read(ipfix({}, data), { port: 2 }).unknownSets).toBe(1);
    expect(reader.read(ipfix({ domain: 2 }, data), { port: 1 }).unknownSets).toBe(1);
  });

  test.each([
    ['one', octets([2, 256], [2, 0]), [0, 1, 1]],
    ['all of flows', octets([2, 2], [2, 0]), [0, 0, 1]],
  ])('withdrawal of %s', (_name, withdrawal, flows) => {
    const reader = testReader();
    const options = optionsTemplate(258, 1, [
      [149, 4],
      [34, 4],
    ]);
    reader.read(ipfix({}, set(2, template(256, PORTS), template(257, PORTS)), set(3, options)));
    const { problem } = reader.read(ipfix({}, set(2, withdrawal)));
    expect(problem).toBeUndefined();
    const known = [256, 257].map((id) => reader.read(ipfix({}, set(id, record))).flows);
    const rate = reader.read(ipfix({}, set(258, octets([4, 1], [4, 9])))).unknownSets;
    expect([...known, 1 - rate]).toEqual(flows);
  });

  test('withdrawal of all options', () => {
    const reader = testReader();
    const options = optionsTemplate(258, 1, [
      [149, 4],
      [34, 4],
    ]);
    reader.read(ipfix({}, set(2, template(256, PORTS)), set(3, options)));
    reader.read(ipfix({}, set(3, octets([2, 3], [2, 0]))));
    expect(reader.read(ipfix({}, set(258, octets([4, 1], [4, 9])))).unknownSets).toBe(1);
    expect(reader.read(ipfix({}, data)).flows).toBe(1);
  });

  test('a template that is not sent again is forgotten', () => {
    const reader = testReader();
    reader.read(ipfix({}, set(2, template(256, PORTS), template(257, PACKETS))));
    const half = { nowMs: LIFETIME_MS / 2 };
    expect(reader.read(ipfix({}, set(2, template(256, PORTS)), data), half).flows).toBe(1);
    const late = { nowMs: LIFETIME_MS + 1 };
    expect(reader.read(ipfix({}, data), late).flows).toBe(1);
    expect(reader.read(ipfix({}, set(257, record)), late).unknownSets).toBe(1);
    expect(reader.reader.sizes).toMatchObject({ templates: 1, expired: 1 });
  });

  test('an exporter that started again has no templates', () => {
    const reader = testReader();
    const templates = set(0, template(256, PORTS));
    reader.read(v9({ uptimeMs: 90_000_000, sequence: 70 }, templates, data));
    // Two datagrams that were exchanged on the way, and an uptime that began again from 0.
    for (const uptimeMs of [89_999_000, 90_001_000]) {
      expect(reader.read(v9({ uptimeMs, sequence: 71 }, data)).flows).toBe(1);
    }
    expect(reader.read(v9({ uptimeMs: 2000, sequence: 0 }, data))).toMatchObject({
      ...{ unknownSets: 1, missing: 0 },
    });
    reader.read(v9({ uptimeMs: 0xffff_ff00, sequence: 1 }, templates));
    expect(reader.read(v9({ uptimeMs: 500, sequence: 2 }, data)).flows).toBe(1);
  });

  test('while no flows are wanted, templates are read and flows counted as lost', () => {
    const reader = testReader();
    const full = reader.read(ipfix({}, set(2, template(256, PORTS)), set(256, record, record)), {
      isFull: true,
    });
    expect(full).toMatchObject({ flows: 0, lost: 2, rows: [] });
    expect(reader.read(ipfix({ sequence: 2 }, data))).toMatchObject({ flows: 1, missing: 0 });
  });
});

describe('sequence numbers', () => {
  test('NetFlow 5 counts flows', () => {
    const flow = Buffer.alloc(48);
    const reader = testReader();
    reader.read(v5({ sequence: 0xffff_ffff }, flow, flow));
    expect(reader.read(v5({ sequence: 1 }, flow)).missing).toBe(0);
    expect(reader.read(v5({ sequence: 9 }, flow))).toMatchObject({
      ...{ missing: 7, missingUnit: 'flows' },
    });
    expect(reader.read(v5({ sequence: 0, engine: 1 }, flow)).missing).toBe(0);
  });

  test('NetFlow 9 counts datagrams', () => {
    const reader = testReader();
    reader.read(v9({ sequence: 5 }, data));
    expect(reader.read(v9({ sequence: 6 }, data)).missing).toBe(0);
    expect(reader.read(v9({ sequence: 10 }, data))).toMatchObject({
      ...{ missing: 3, missingUnit: 'datagrams' },
    });
    // It comes late, and so does not begin the count anew.
    expect(reader.read(v9({ sequence: 8 }, data)).missing).toBe(0);
    expect(reader.read(v9({ sequence: 11 }, data)).missing).toBe(0);
  });

  test('IPFIX counts data records, unless a template is unknown', () => {
    const reader = testReader();
    const templates = set(2, template(256, PORTS));
    reader.read(ipfix({ sequence: 0 }, templates, set(256, record, record, record)));
    expect(reader.read(ipfix({ sequence: 3 }, data)).missing).toBe(0);
    expect(reader.read(ipfix({ sequence: 10 }, set(300, record)))).toMatchObject({
      ...{ missing: 6, missingUnit: 'flows' },
    });
    expect(reader.read(ipfix({ sequence: 90 }, data)).missing).toBe(0);
    expect(reader.read(ipfix({ sequence: 92 }, data)).missing).toBe(1);
  });
});

describe('floods', () => {
  test('templates of one domain leave room for other exporters', () => {
    const reader = testReader();
    let refused = 0;
    for (let id = 256; id < 65_536; id += 100) {
      const many = Array.from({ length: 100 }, (_, at) => template((id + at) & 0xffff, PORTS));
      const { problem } = reader.read(ipfix({}, set(2, ...many)));
      if (problem?.code === 'ERR_CODEC_NETFLOW_LIMIT') refused++;
    }
    expect(refused).toBeGreaterThan(600);
    expect(reader.reader.sizes.templates).toBe(DOMAIN_TEMPLATES_MAX);
    const other = { address: '192.0.2.2' };
    expect(reader.read(ipfix({}, set(2, template(256, PORTS)), data), other).flows).toBe(1);
  });

  test('of many domains are bounded, and do not touch what is known', () => {
    const reader = testReader();
    reader.read(ipfix({}, set(2, template(256, PORTS))));
    const fields = Array.from({ length: 400 }, (): Field => [1, 1]);
    const many = set(2, ...Array.from({ length: 30 }, (_, at) => template(256 + at, fields)));
    let refused = 0;
    for (let domain = 2; domain < DOMAINS_MAX + 100; domain++) {
      const { problem } = reader.read(ipfix({ domain }, many));
      if (problem !== undefined) refused++;
    }
    expect(refused).toBeGreaterThan(3000);
    expect(reader.reader.sizes.domains).toBe(DOMAINS_MAX);
    expect(reader.reader.sizes.templates).toBeLessThan(TEMPLATES_MAX);
    expect(reader.read(ipfix({}, data)).flows).toBe(1);
    // Room comes back once the forged exporters have been silent for long enough.
    const later = { nowMs: LIFETIME_MS + 60_001, address: '192.0.2.3' };
    expect(reader.read(ipfix({}, set(2, template(256, PORTS)), data), later).flows).toBe(1);
    expect(reader.reader.sizes).toMatchObject({ domains: 1, templates: 1 });
  });

  test('samplers are bounded', () => {
    const reader = testReader();
    const options = optionsTemplate(257, 1, [
      [302, 8],
      [34, 4],
    ]);
    reader.read(ipfix({}, set(3, options)));
    const records = Array.from({ length: 300 }, (_, id) => octets([8, id], [4, 10]));
    const { problem } = reader.read(ipfix({}, set(257, ...records)));
    expect(problem?.code).toBe('ERR_CODEC_NETFLOW_LIMIT');
  });
});

describe('malformed', () => {
  const good = ipfix({}, set(2, template(256, PORTS)), data);
  const cut = (bytes: Buffer, at: number, value: number): Buffer => {
    const changed = Buffer.from(bytes);
    changed.writeUInt16BE(value, at);
    return changed;
  };
  test.each<readonly [string, Buffer, string]>([
    ['nothing', Buffer.alloc(0), 'VERSION'],
    ['another protocol', Buffer.from('GET / HTTP/1.1\r\n\r\n'), 'VERSION'],
    ['NetFlow 5 without a header', octets([2, 5], [2, 0]), 'TRUNCATED'],
    ['NetFlow 9 without a header', octets([2, 9], [2, 0]), 'TRUNCATED'],
    ['IPFIX without a header', octets([2, 10], [2, 4]), 'TRUNCATED'],
    ['a message longer than its datagram', good.subarray(0, good.length - 1), 'TRUNCATED'],
    ['a message shorter than its header', cut(good, 2, 8), 'TRUNCATED'],
    ['a set longer than its message', cut(good, 18, 500), 'TRUNCATED'],
    ['a set shorter than its header', cut(good, 18, 3), 'TRUNCATED'],
    ['a template longer than its set', cut(good, 22, 9), 'TRUNCATED'],
    ['too many fields', cut(good, 22, 513), 'TEMPLATE'],
    ['a number of sets', cut(good, 20, 255), 'TEMPLATE'],
    ['records without octets', ipfix({}, set(2, template(256, [[7, 0]]))), 'TEMPLATE'],
    [
      'options without fields',
      ipfix({}, set(3, octets([2, 256], [2, 1], [2, 1], [2, 1]))),
      'TRUNCATED',
    ],
    [
      'lengths of NetFlow 9 that are not those of fields',
      v9({}, set(1, octets([2, 256], [2, 3], [2, 4], [4, 0]))),
      'TEMPLATE',
    ],
    [
      'a text longer than its set',
      ipfix({}, set(2, template(256, [[82, 65_535]])), set(256, octets([1, 9], [2, 0]))),
      'TRUNCATED',
    ],
  ])('%s', (_name, bytes, code) => {
    const { problem, flows } = testReader().read(bytes);
    expect(problem?.code).toBe(`ERR_CODEC_NETFLOW_${code}`);
    expect(flows).toBe(0);
  });

  test('what came before the damage is kept', () => {
    const bytes = ipfix({}, set(2, template(256, PORTS)), data, octets([2, 256], [2, 100]));
    expect(testReader().read(bytes)).toMatchObject({
      ...{ flows: 1, problem: { code: 'ERR_CODEC_NETFLOW_TRUNCATED' } },
    });
  });

  test('padding is no record', () => {
    for (let padding = 0; padding < 4; padding++) {
      const bytes = ipfix(
        {},
        set(2, template(256, PORTS)),
        set(256, record, Buffer.alloc(padding)),
      );
      expect(testReader().read(bytes)).toMatchObject({ flows: 1, problem: undefined });
    }
  });
});
