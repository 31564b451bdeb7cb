import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { RecordsResponse } from '../../../src/console/api.ts';
import { consoleAddress, EXECUTABLE, startProgram } from '../../support/processes/program.ts';
import { createBareRoot, INSIDE } from './bare-root.ts';

const folder = mkdtempSync(join(tmpdir(), 'netobserv-up-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const PACKETS = 37;
const PAYLOAD_BYTES = 100;
/** Ethernet, IPv4 and UDP headers; the loopback device has an Ethernet header, too. */
const HEADER_BYTES = 14 + 20 + 8;

const ofLoopback = ['--interfaces', 'lo', '--exclude-interfaces', 'none'];
const onLoopback = ['--listen', '127.0.0.1:0', ...ofLoopback];
const quick = ['--cache-active-timeout', '200ms'];

/** A line of /proc/PID/net/tcp with state 0A. */
const isListening = (line: string): boolean => / 0A /.test(line);

/** Sends datagrams through the loopback interface; resolves to the destination port. */
async function sendDatagrams(): Promise<number> {
  const receiver = createSocket('udp4');
  const sender = createSocket('udp4');
  receiver.bind(0, '127.0.0.1');
  await once(receiver, 'listening');
  const { port } = receiver.address();
  const payload = Buffer.alloc(PAYLOAD_BYTES);
  for (let packet = 0; packet < PACKETS; packet++) {
    await new Promise((resolve) => sender.send(payload, port, '127.0.0.1', resolve));
  }
  sender.close();
  receiver.close();
  return port;
}

/** By then all packets have become rows, even on a busy machine. */
const RECORDED_MAX_MS = 60_000;

/** Packets and bytes that the console reports for a port now. */
async function reported(
  address: string,
  port: number,
): Promise<{ packets: number; bytes: number }> {
  const query = new URLSearchParams({ filters: `DstPort=${port}`, timeRange: '300' });
  const answer = await fetch(`${address}/api/flow/records?${query}`);
  expect(answer.status).toBe(200);
  const { result } = (await answer.json()) as RecordsResponse;
  let packets = 0;
  let bytes = 0;
  for (const [, line] of result.flatMap(({ values }) => values)) {
    const row = JSON.parse(line) as { Packets: number; Bytes: number };
    packets += row.Packets;
    bytes += row.Bytes;
  }
  return { packets, bytes };
}

/** Like `reported`, once all packets have become rows. */
async function recorded(
  address: string,
  port: number,
): Promise<{ packets: number; bytes: number }> {
  await expect
    .poll(async () => (await reported(address, port)).packets, {
      timeout: RECORDED_MAX_MS,
      interval: 100,
    })
    .toBeGreaterThanOrEqual(PACKETS);
  return reported(address, port);
}

test('in a root with nothing but the C run-time libraries, packets become rows', async () => {
  using root = createBareRoot();
  const args = [INSIDE, 'up', '--data', '/var/data', ...onLoopback, ...quick];
  const program = startProgram(args, { command: root.within });
  try {
    const address = await consoleAddress(program);
    const port = await sendDatagrams();
    expect(await recorded(address, port)).toEqual({
      packets: PACKETS,
      bytes: PACKETS * (PAYLOAD_BYTES + HEADER_BYTES),
    });
    const page = await fetch(address);
    expect(await page.text()).toContain('<script');
  } finally {
    expect(await program.stop(), program.output()).toBe(0);
  }
});

test('SIGTERM in the middle loses nothing: the next start still has the rows', async () => {
  const args = ['up', '--data', join(folder, 'kept'), ...onLoopback];
  const first = startProgram([...args, '--cache-active-timeout', '1h'], { flavour: 'packed' });
  await consoleAddress(first);
  const port = await sendDatagrams();
  expect(await first.stop(), first.output()).toBe(0);

  const second = startProgram(args, { flavour: 'packed' });
  try {
    const { packets } = await recorded(await consoleAddress(second), port);
    expect(packets).toBe(PACKETS);
  } finally {
    await second.stop();
  }
});

test('SIGUSR1 opens no debugger, SIGHUP ends in order', async () => {
  const args = ['up', '--data', 'memory', ...onLoopback];
  const program = startProgram(args, { flavour: 'packed' });
  const address = await consoleAddress(program);
  const listening = (): string => readFileSync(`/proc/${program.child.pid}/net/tcp`, 'latin1');
  const before = listening().split('\n').filter(isListening).length;
  program.child.kill('SIGUSR1');
  // The signal has been handled once the same thread has answered.
  for (let i = 0; i < 3; i++) expect((await fetch(`${address}/livez`)).status).toBe(200);
  expect(listening().split('\n').filter(isListening).length).toBe(before);
  expect(program.output()).not.toContain('Debugger');
  program.child.kill('SIGHUP');
  expect(await program.end(), program.output()).toBe(0);
});

test.each([
  ['nohup', ['env', '_=/usr/bin/nohup', 'nohup', EXECUTABLE]],
  ['a script that ignores it', ['sh', '-c', `trap "" HUP; '${EXECUTABLE}' "$@"; exit $?`, 'sh']],
])('started by %s, it survives the end of its terminal', async (_, command) => {
  const args = ['up', '--data', 'memory', ...onLoopback];
  const program = startProgram(args, { command, cwd: folder });
  const address = await consoleAddress(program);
  // The script starts a separate process for the program.
  const own = program.child.pid!;
  const children = readFileSync(`/proc/${own}/task/${own}/children`, 'utf8').trim();
  const pid = children === '' ? own : Number(children);
  process.kill(pid, 'SIGHUP');
  for (let i = 0; i < 3; i++) expect((await fetch(`${address}/livez`)).status).toBe(200);
  process.kill(pid, 'SIGTERM');
  expect(await program.end(), program.output()).toBe(0);
});

test('too few open files are told, with what would be right', async () => {
  const program = startProgram([EXECUTABLE, 'agent', '--export', 'stdout'], {
    command: ['prlimit', '--nofile=40'],
  });
  expect(await program.end()).toBe(1);
  expect(program.output()).toContain('This process may have 40 files open');
  expect(program.output()).not.toContain('Linux 5.12');
});

test('a token file that nobody writes to is told, and keeps nobody waiting', async () => {
  const fifo = join(folder, 'fifo');
  execFileSync('mkfifo', [fifo]);
  const args = ['up', '--data', 'memory', ...onLoopback, '--token-file', fifo];
  const program = startProgram(args, { flavour: 'packed' });
  expect(await program.end()).toBe(2);
  expect(program.output()).toContain('the token in ');
});

test('a user without capabilities is told which are missing', async () => {
  const program = startProgram([EXECUTABLE, 'up', '--data', join(folder, 'nobody')], {
    command: ['setpriv', '--reuid=65534', '--clear-groups'],
  });
  await program.waitFor(/CAP_NET_ADMIN, CAP_BPF, CAP_PERFMON \[ERR_CAPABILITIES\]/);
  expect(await program.end()).toBe(1);
});

test('a port in use is told without a stack', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const args = ['up', '--data', join(folder, 'port'), ...ofLoopback, '--listen', host];
  const program = startProgram(args, { flavour: 'packed' });
  try {
    expect(await program.end()).toBe(1);
    expect(program.output()).toMatch(/error: .*\[ERR_/);
    expect(program.output()).toContain(host);
    expect(program.output()).not.toMatch(/^\s+at /m);
  } finally {
    server.close();
  }
});

test('a folder in use is told without a stack', async () => {
  const data = join(folder, 'busy');
  const args = ['up', '--data', data, ...onLoopback];
  const first = startProgram(args, { flavour: 'packed' });
  try {
    await consoleAddress(first);
    const second = startProgram(args, { flavour: 'packed' });
    expect(await second.end()).toBe(1);
    expect(second.output()).toMatch(/error: .*\[ERR_/);
    expect(second.output()).toContain(data);
    expect(second.output()).not.toMatch(/^\s+at /m);
  } finally {
    await first.stop();
  }
});
