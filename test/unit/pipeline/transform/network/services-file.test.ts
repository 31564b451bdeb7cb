import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import {
  parseServiceNames,
  type ServiceNames,
} from '../../../../../src/pipeline/transform/network/services-file.ts';
import { appendRows } from '../../../../support/models/interpreter/rows.ts';
import { testPipeline } from '../../../../support/models/interpreter/setup.ts';

/** Name of a port; undefined if the files have none for this protocol. */
function serviceName(names: ServiceNames, protocol: number, port: number): string | undefined {
  if (!names.protocols.has(protocol)) return names.byPort.get(port);
  return names.byProtocol.get(protocol)?.get(port);
}

const services = `
# comment
ssh\t22/tcp\t\t\t# SSH
http            80/tcp          www     # second name
broken          http/tcp
too-large       70000/tcp
first           99/udp
second          99/udp
unknown         77/nonsense
`;
const protocols = 'tcp 6 TCP\nudp\t17\tUDP # datagrams\nicmp 1\n';

test.each([
  ['exact', 6, 22, 'ssh'],
  ['other protocol', 17, 22, undefined],
  ['first line wins', 17, 99, 'first'],
  ['known protocol without services', 1, 22, undefined],
  ['unknown protocol: any service of the port', 200, 22, 'ssh'],
  ['line of an unknown protocol', 6, 77, undefined],
  ['no service', 6, 12_345, undefined],
])('%s', (_why, protocol, port, wanted) => {
  expect(serviceName(parseServiceNames(services, protocols), protocol, port)).toBe(wanted);
});

test('well-known names stand in for missing files', () => {
  const names = parseServiceNames(undefined, undefined);
  expect(serviceName(names, 6, 443)).toBe('https');
  expect(serviceName(names, 17, 53)).toBe('domain');
  expect(serviceName(names, 132, 443)).toBe(undefined);
});

test('reads the files of a Debian host', () => {
  const read = (path: string) => readFileSync(path, 'utf8');
  const names = parseServiceNames(read('/etc/services'), read('/etc/protocols'));
  expect(serviceName(names, 6, 22)).toBe('ssh');
  expect(serviceName(names, 17, 123)).toBe('ntp');
});

test('servicesFile and protocolsFile', async () => {
  const files: Readonly<Record<string, string>> = {
    '/own/services': 'game 4000/xyz\n',
    '/own/protocols': 'xyz 200\n',
  };
  const add_service = { input: 'DstPort', output: 'Service', protocol: 'Proto' };
  const network = {
    ...{ servicesFile: '/own/services', protocolsFile: '/own/protocols' },
    rules: [{ type: 'add_service', add_service }],
  };
  const { pipeline, stores } = testPipeline(
    {
      pipeline: [
        { name: 'net', follows: 'preset-ingester' },
        { name: 'out', follows: 'net' },
      ],
      parameters: [
        { name: 'net', transform: { type: 'network', network } },
        { name: 'out', write: { type: 'store', store: { name: 'a' } } },
      ],
    },
    { readText: (path) => files[path] },
  );
  await pipeline.start(new AbortController().signal);
  const batch = pipeline.take();
  appendRows(batch, [
    { Proto: 200, DstPort: 4000 },
    { Proto: 200, DstPort: 22 },
  ]);
  pipeline.emit(batch);
  await pipeline.stop();
  // A service without a name is none; flowlogs-pipeline writes an empty text.
  expect(stores.a.rows).toEqual([
    { Proto: 200, DstPort: 4000, Service: 'game' },
    { Proto: 200, DstPort: 22 },
  ]);
});
