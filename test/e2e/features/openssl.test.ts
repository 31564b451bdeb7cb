/** Plaintext of real OpenSSL programs, against peers that use another copy of OpenSSL. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Lab } from '../../support/lab/netns.ts';
import { selfSigned } from '../../support/net/certificate.ts';
import { type AgentHost, type FlowView, startAgent } from '../../support/processes/agent-host.ts';
import { requireProgram, requireRoot } from '../../support/require.ts';

const CLIENT = '10.9.0.1';
const SERVER = '10.9.0.2';
const PORT = 4433;
const OPENSSL = '/usr/bin/openssl';
const REQUEST_BYTES = 150_000;
const REPLY_BYTES = 70_000;

/** Sends, then reads to the end: Node's own OpenSSL, which is part of its executable. */
const NODE_CLIENT = `
  const to = { host: '${SERVER}', port: ${PORT}, rejectUnauthorized: false };
  const socket = require('tls').connect(to);
  socket.end(Buffer.alloc(${REQUEST_BYTES}, 'a'));
  let got = 0;
  socket.on('data', (part) => { got += part.length; });
  socket.on('end', () => { console.log(got); process.exit(); });
`;
const NODE_SERVER = `
  const fs = require('fs');
  const [cert, key] = process.argv.slice(1).map((path) => fs.readFileSync(path));
  const server = require('tls').createServer({ cert, key }, (socket) => {
    let got = 0;
    socket.on('data', (part) => {
      got += part.length;
      if (got === ${REQUEST_BYTES}) socket.end(Buffer.alloc(${REPLY_BYTES}, 'b'));
    });
    socket.on('close', () => process.exit());
  });
  server.listen(${PORT}, '${SERVER}', () => console.log('ready'));
`;

describe.skipIf(requireRoot() || requireProgram(OPENSSL))('OpenSSL', () => {
  let lab: Lab;
  let client: string;
  let server: string;
  let links: readonly [string, string];
  let folder: string;
  let children: ChildProcess[];
  let host: AgentHost | undefined;

  beforeEach(() => {
    lab = new Lab();
    children = [];
    client = lab.namespace('client');
    server = lab.namespace('server');
    links = lab.pair(
      { namespace: client, addresses: [`${CLIENT}/24`] },
      { namespace: server, addresses: [`${SERVER}/24`] },
    );
    folder = mkdtempSync(join(tmpdir(), 'netobserv-openssl-'));
    const { cert, key } = selfSigned();
    writeFileSync(join(folder, 'cert'), cert);
    writeFileSync(join(folder, 'key'), key);
  });
  afterEach(async () => {
    await host?.[Symbol.asyncDispose]();
    host = undefined;
    for (const child of children.filter(({ exitCode }) => exitCode === null)) {
      const ended = once(child, 'exit');
      if (child.kill('SIGKILL')) await ended;
    }
    await lab[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  function start(namespace: string, ...command: readonly string[]): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', namespace, ...command], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    children.push(child);
    return child;
  }

  /** Waits until its output contains `wanted`. */
  async function says(child: ChildProcess, wanted: string): Promise<void> {
    for (let text = ''; !text.includes(wanted); ) {
      const [part] = (await once(child.stdout!, 'data')) as [Buffer];
      text += part.toString();
    }
  }

  /** Waits until it has ended; returns its output. */
  async function outputOf(child: ChildProcess): Promise<Buffer> {
    const parts: Buffer[] = [];
    child.stdout!.on('data', (part: Buffer) => parts.push(part));
    await once(child, 'close');
    return Buffer.concat(parts);
  }

  const certificate = (): string[] => [join(folder, 'cert'), join(folder, 'key')];

  async function watch(env: Readonly<Record<string, string>> = {}): Promise<AgentHost> {
    host = await startAgent({
      INTERFACES: links.join(),
      ENABLE_OPENSSL_TRACKING: 'true',
      ...env,
    });
    return host;
  }

  /** An OpenSSL client sends a request, and the server answers. */
  async function exchange(): Promise<void> {
    const peer = start(server, process.execPath, '-e', NODE_SERVER, ...certificate());
    await says(peer, 'ready');

    const address = `${SERVER}:${PORT}`;
    const program = start(client, OPENSSL, 's_client', '-quiet', '-connect', address);
    const output = outputOf(program);
    program.stdin!.write(Buffer.alloc(REQUEST_BYTES, 'a'));
    expect((await output).length).toBe(REPLY_BYTES);
  }

  function plainBytes(flows: readonly FlowView[], port: 'SrcPort' | 'DstPort'): number {
    return flows
      .filter((flow) => flow[port] === PORT)
      .reduce((sum, flow) => sum + Number(flow.OpenSslBytes ?? 0), 0);
  }

  async function metric(name: string): Promise<string[]> {
    const text = await host!.metrics.registry.metrics();
    return text.split('\n').filter((line) => line.startsWith(`${name}{`));
  }

  test('what a client writes and reads is in the flows of its connection', async () => {
    const agent = await watch();
    await exchange();
    await agent.agent.drainNow();
    expect(agent.agent.status().features).toEqual([{ name: 'openssl', state: 'on' }]);
    expect(plainBytes(agent.flows, 'DstPort')).toBe(REQUEST_BYTES);
    expect(plainBytes(agent.flows, 'SrcPort')).toBe(REPLY_BYTES);
    expect(agent.flows.every((flow) => flow.Packets > 0)).toBe(true);
  });

  test('what a server reads is in the flow of the requests', async () => {
    const agent = await watch();
    const [cert, key] = certificate();
    const program = start(
      server,
      ...[OPENSSL, 's_server', '-quiet', '-naccept', '1', '-cert', cert!, '-key', key!],
      ...['-accept', `${SERVER}:${PORT}`],
    );
    const output = outputOf(program);
    await expect
      .poll(() => lab.inside(server, 'cat', '/proc/net/tcp'), { timeout: 5000 })
      .toContain(`:${PORT.toString(16).toUpperCase()} 00000000:0000 0A`);

    await outputOf(start(client, process.execPath, '-e', NODE_CLIENT));

    expect((await output).length).toBe(REQUEST_BYTES);
    await agent.agent.drainNow();
    expect(plainBytes(agent.flows, 'DstPort')).toBe(REQUEST_BYTES);
    expect(plainBytes(agent.flows, 'SrcPort')).toBe(0);
    const events = await metric('openssl_data_events_total');
    expect(events.find((line) => line.includes('write'))).toMatch(/ 0$/);
    expect(events.find((line) => line.includes('read'))).toMatch(/ [1-9]\d*$/);
    for (const line of await metric('openssl_unlinked_bytes_total')) expect(line).toMatch(/ 0$/);
  });

  test.each([
    ['egress', 'DstPort', REQUEST_BYTES, 'SrcPort', REPLY_BYTES, 'read'],
    ['ingress', 'SrcPort', REPLY_BYTES, 'DstPort', REQUEST_BYTES, 'write'],
  ] as const)('DIRECTION=%s: text of the other one is in no flow', async (...row) => {
    const [direction, wanted, wantedBytes, other, otherBytes, unlinked] = row;
    const agent = await watch({ INTERFACES: links[0], DIRECTION: direction });
    await exchange();
    await agent.agent.drainNow();
    expect(plainBytes(agent.flows, wanted)).toBe(wantedBytes);
    expect(agent.flows.filter((flow) => flow[other] === PORT)).toEqual([]);
    const lines = await metric('openssl_unlinked_bytes_total');
    expect(lines.find((line) => line.includes(unlinked))).toMatch(new RegExp(` ${otherBytes}$`));
  });

  test('a program that handles its sockets itself is counted, in no flow', async () => {
    const agent = await watch({ OPENSSL_PATH: process.execPath });
    const peer = start(server, process.execPath, '-e', NODE_SERVER, ...certificate());
    await says(peer, 'ready');

    const program = start(client, process.execPath, '-e', NODE_CLIENT);
    expect((await outputOf(program)).toString().trim()).toBe(String(REPLY_BYTES));

    await agent.agent.drainNow();
    expect(plainBytes(agent.flows, 'DstPort') + plainBytes(agent.flows, 'SrcPort')).toBe(0);
    const sum = REQUEST_BYTES + REPLY_BYTES;
    for (const line of await metric('openssl_unlinked_bytes_total')) {
      expect(line).toMatch(new RegExp(` ${sum}$`));
    }
  });

  test('without OpenSSL at the path the rest goes on', async () => {
    const agent = await watch({ OPENSSL_PATH: '/etc/passwd', ENABLE_RTT: 'true' });

    const features = agent.agent.status().features;
    expect(features.map(({ name, state }) => [name, state])).toEqual([
      ['openssl', 'unavailable'],
      ['rtt', 'on'],
    ]);
    expect(features[0]?.why).toContain('/etc/passwd is not a 64-bit, little-endian ELF file');
    await lab.tcp(client, server, { address: SERVER, port: 5001, sendBytes: 10, replyBytes: 10 });
    await agent.agent.drainNow();
    expect(agent.flows).toHaveLength(2);
  });
});
