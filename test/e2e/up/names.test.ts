/** `up` on a host without Kubernetes: names of addresses, networks, processes and containers. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT } from '../../../scripts/steps.ts';
import type { FrontendConfig, MetricsResponse } from '../../../src/console/api.ts';
import { mmdb } from '../../support/flows/mmdb.ts';
import { ip, Lab } from '../../support/lab/netns.ts';
import { startUp, type UpHost } from '../../support/processes/up-host.ts';
import { requireProgram, requireRoot } from '../../support/require.ts';

const SOON = { timeout: 60_000, interval: 500 } as const;
const START_TIMEOUT_MS = 120_000;
const DIG = '/usr/bin/dig';
const HOST = '10.77.0.1';
const PEER = '10.77.0.2';
/** A server of the RIPE NCC, in the Netherlands by its registry. */
const ABROAD = '193.0.6.139';
/** The answer of the test's name server for www.example.com. */
const NAMED = '198.51.100.1';
const PORT = 5000;
const CONTAINER = '4c01db0b339c'.padEnd(64, 'a7');
const NAMELESS = 'f'.repeat(64);

/** Sends datagrams for each line. */
const SENDER = `
const socket = require('node:dgram').createSocket('udp4');
socket.on('error', () => undefined);
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const [address, port] = line.split(' ');
  socket.send('hello', Number(port), address);
});
`;

describe.skipIf(requireRoot() || requireProgram(DIG))('names', () => {
  let lab: Lab;
  let up: UpHost;
  let folder: string;
  let link: string;
  const groups: string[] = [];
  const children: ChildProcess[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'netobserv-names-'));
    lab = new Lab();
    const peer = lab.namespace('peer');
    // One end is at the host itself, and the other one is its gateway.
    link = lab.linkName();
    const other = lab.linkName();
    ip('link', 'add', link, 'type', 'veth', 'peer', 'name', other, 'netns', peer);
    ip('address', 'add', `${HOST}/24`, 'dev', link);
    lab.address(peer, other, `${PEER}/24`);
    for (const address of [ABROAD, NAMED]) lab.address(peer, 'lo', `${address}/32`);
    ip('-n', peer, 'link', 'set', other, 'up');
    ip('link', 'set', link, 'up');
    ip('route', 'add', '193.0.6.0/24', 'via', PEER);
    ip('route', 'add', '198.51.100.0/24', 'via', PEER);
    const script = join(ROOT, 'test/support/lab/dns-server.ts');
    await lab.service(peer, /ready/, process.execPath, script, PEER, '53');
    up = await startUp(
      [
        ...['--interfaces', link, '--cache-active-timeout', '500ms'],
        ...['--features', 'dns,processes', ...files()],
      ],
      undefined,
      ['unshare', '--mount', 'sh', '-c', UNDER_VAR_LIB, folder],
    );
  }, START_TIMEOUT_MS);

  afterAll(async () => {
    await up?.[Symbol.asyncDispose]();
    for (const child of children) {
      const ended = once(child, 'exit');
      if (child.kill('SIGKILL')) await ended;
    }
    for (const group of groups.toReversed()) rmdirSync(group);
    await lab?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  }, START_TIMEOUT_MS);

  /** The program sees this folder in place of /var/lib, where Docker keeps its containers. */
  const UNDER_VAR_LIB = 'mount --bind "$0" /var/lib && exec "$@"';

  /** Files as users have them; that of the container is only for root. */
  function files(): readonly string[] {
    const container = join(folder, 'docker/containers', CONTAINER);
    mkdirSync(container, { recursive: true, mode: 0o700 });
    const config = JSON.stringify({ ID: CONTAINER, Name: '/web' });
    writeFileSync(join(container, 'config.v2.json'), config, { mode: 0o600 });
    const networks = join(folder, 'networks.yaml');
    writeFileSync(networks, '- {name: registry, cidrs: [193.0.6.128/25]}');
    const systems = join(folder, 'asn.mmdb');
    const system = { autonomous_system_number: 3333, autonomous_system_organization: 'RIPE NCC' };
    writeFileSync(systems, mmdb({ '193.0.0.0/21': system }));
    return ['--networks', networks, '--geo-asn-file', systems];
  }

  /** A process in a new control group below the root of cgroup v2. */
  async function processIn(...parts: readonly string[]): Promise<(line: string) => void> {
    const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
    let group = mounts.map((line) => line.split(' ')).find(([, , type]) => type === 'cgroup2')![1]!;
    for (const part of parts) {
      group = join(group, part);
      mkdirSync(group);
      groups.push(group);
    }
    const script = ['-c', 'read go; exec "$0" -e "$1"', process.execPath, SENDER];
    const child = spawn('sh', script, { stdio: ['pipe', 'ignore', 'inherit'] });
    children.push(child);
    writeFileSync(join(group, 'cgroup.procs'), `${child.pid}`);
    child.stdin!.write('go\n');
    return (line) => child.stdin!.write(`${line}\n`);
  }

  async function top(type: string, fields: string): Promise<readonly unknown[]> {
    const asked = { type, function: 'sum', aggregateBy: fields, timeRange: '3600', step: '1h' };
    const answer = await fetch(`${up.url}/api/flow/metrics?${new URLSearchParams(asked)}`);
    const { result } = (await answer.json()) as MetricsResponse;
    return result.map(({ metric }) => metric);
  }

  test('of addresses: country, autonomous system, networks of the host and of its user', async () => {
    const send = await processIn(`nbt-names-${process.pid}`, 'nginx.service');
    for (const address of [PEER, ABROAD]) send(`${address} ${PORT}`);
    const there = async (address: string) => (await up.rows(`DstAddr=${address}`))[0];
    await expect
      .poll(() => there(ABROAD), SOON)
      .toMatchObject({
        ...{ SrcSubnetLabel: 'this host', DstSubnetLabel: 'registry' },
        DstLocation_CountryLongName: 'Netherlands',
        ...{ DstAS_Number: 3333, DstAS_Organization: 'RIPE NCC' },
      });
    const near = await there(PEER);
    expect(near).toMatchObject({ DstSubnetLabel: `network of ${link}` });
    expect(near).not.toHaveProperty('DstLocation_CountryLongName');
    expect(await up.rows('SubnetLabel="registry"')).not.toHaveLength(0);
    expect(await up.rows('DstLocation_CountryLongName=netherl')).not.toHaveLength(0);
    expect(await up.rows('DstLocation_CountryLongName=France')).toHaveLength(0);
    expect(await top('DstCountryBytes', 'DstLocation_CountryLongName')).toEqual([
      { DstLocation_CountryLongName: 'Netherlands' },
    ]);
    const [group] = groups.slice(-1);
    expect(near).toMatchObject({ Workload: 'nginx.service' });
    expect(String(near?.Cgroup)).toContain(group!.split('/').at(-2)!);
  });

  test('of servers, by the answers of DNS', async () => {
    const send = await processIn(`nbt-named-${process.pid}`);
    const dig = spawn(DIG, [`@${PEER}`, '+tries=1', 'www.example.com', 'A'], { stdio: 'ignore' });
    await once(dig, 'exit');
    await expect
      .poll(async () => (await up.rows('DnsName="www.example.com"')).length, SOON)
      .toBe(1);
    send(`${NAMED} ${PORT}`);
    await expect
      .poll(async () => (await up.rows(`DstAddr=${NAMED}`))[0], SOON)
      .toMatchObject({ DstDnsName: 'www.example.com', DstSubnetLabel: `via ${link}` });
  });

  test('of containers, by the files of their runtime', async () => {
    const named = await processIn(`docker-${CONTAINER}.scope`);
    const nameless = await processIn(`libpod-${NAMELESS}.scope`);
    // The first flow begins the look-up.
    const rows = async (port: number) => {
      named(`${PEER} ${port}`);
      nameless(`${PEER} ${port + 1}`);
      return (await up.rows(`DstPort=${port}`)).at(0);
    };
    await expect
      .poll(() => rows(PORT + 10), SOON)
      .toMatchObject({
        ...{ ContainerId: CONTAINER, ContainerName: 'web', Workload: 'web' },
      });
    const [other] = await up.rows(`DstPort=${PORT + 11}`);
    expect(other).toMatchObject({ ContainerId: NAMELESS, Workload: 'podman ffffffffffff' });
    expect(await up.rows('Workload="web"')).not.toHaveLength(0);
    expect(await top('ProcessBytes', 'Workload')).toEqual(
      expect.arrayContaining([{ Workload: 'web' }, { Workload: 'podman ffffffffffff' }]),
    );
  });

  test('the console has columns and filters for them', async () => {
    const answer = await fetch(`${up.url}/api/frontend-config`);
    const { features, columns, filters } = (await answer.json()) as FrontendConfig;
    expect(features).toEqual(expect.arrayContaining(['subnetLabels', 'location', 'asn']));
    expect(features).not.toContain('city');
    const fields = columns.map(({ field }) => field);
    expect(fields).toEqual(
      expect.arrayContaining(['DstLocation_CountryLongName', 'DstAS_Organization', 'Workload']),
    );
    expect(filters.map(({ id }) => id)).toEqual(
      expect.arrayContaining(['country', 'src_country', 'as_number', 'subnet_label', 'workload']),
    );
  });
});
