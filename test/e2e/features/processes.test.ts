/** Flows of real processes with commands, numbers and control groups known to the test. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Lab } from '../../support/lab/netns.ts';
import { type AgentHost, type FlowView, startAgent } from '../../support/processes/agent-host.ts';
import { requireRoot } from '../../support/require.ts';
import { addressed, EtherType, ethernet, ipv4, Proto, udp } from '../datapath/frames.ts';

const CLIENT = '10.9.0.1';
const SERVER = '10.9.0.2';
const PORT = 5001;
const CONTAINER = '4c01db0b339c'.padEnd(64, 'a7');

/** Sends a datagram from an unconnected socket, once, and ends. */
const SEND_ONE = `
const socket = require('node:dgram').createSocket('udp4');
socket.send('x', ${PORT}, '${SERVER}', () => socket.close());
`;

/** Receives datagrams and never sends one; reports them. */
const RECEIVE = `
process.title = 'receiver';
const socket = require('node:dgram').createSocket('udp4');
socket.on('message', () => console.log('received'));
socket.bind(${PORT}, () => console.log('ready'));
`;

/** Echoes every line of a connection. */
const ECHO = `
const server = require('node:net').createServer((socket) => socket.pipe(socket));
server.listen(${PORT}, () => console.log('ready'));
`;

/** Keeps a connection open; prints the answers. */
const TALK = `
const socket = require('node:net').connect(${PORT}, '${SERVER}');
process.stdin.pipe(socket).pipe(process.stdout);
`;

describe.skipIf(requireRoot())('processes', () => {
  let lab: Lab;
  let client: string;
  let server: string;
  let interfaces: readonly string[];
  let host: AgentHost | undefined;
  let children: ChildProcess[];
  let groups: string[];

  beforeEach(async () => {
    lab = new Lab();
    children = [];
    groups = [];
    client = lab.namespace('client');
    server = lab.namespace('server');
    interfaces = lab.pair(
      { namespace: client, addresses: [`${CLIENT}/24`] },
      { namespace: server, addresses: [`${SERVER}/24`] },
    );
    // Resolves addresses before the test checks anything.
    await lab.udp(client, server, { address: SERVER, port: PORT, count: 1, sizeBytes: 10 });
  });
  afterEach(async () => {
    await host?.[Symbol.asyncDispose]();
    host = undefined;
    for (const child of children) await end(child);
    for (const group of groups.reverse()) rmdirSync(group);
    await lab[Symbol.asyncDispose]();
  });

  async function start(watched = interfaces): Promise<void> {
    const env = { INTERFACES: watched.join(), ENABLE_PROCESSES: 'true' };
    host = await startAgent(env);
  }

  /** Starts a process that keeps its number across exec. */
  function run(namespace: string, script: string, group?: string): ChildProcess {
    const child = spawn(
      'sh',
      ['-c', 'read go; exec ip netns exec "$0" "$1" -e "$2"', namespace, process.execPath, script],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    children.push(child);
    if (group !== undefined) writeFileSync(join(group, 'cgroup.procs'), `${child.pid}`);
    child.stdin?.write('\n');
    return child;
  }

  async function end(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  /** A new control group below the root of cgroup v2. */
  function makeGroup(...parts: readonly string[]): { folder: string; path: string } {
    const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
    const root = mounts
      .map((line) => line.split(' '))
      .find(([, , type]) => type === 'cgroup2')![1]!;
    let folder = root;
    for (const part of parts) {
      folder = join(folder, part);
      mkdirSync(folder);
      groups.push(folder);
    }
    return { folder, path: folder.slice(root.length) };
  }

  /** A datagram from a packet socket, which no Internet socket owns. */
  function frameTo(target: readonly number[]): Uint8Array {
    const ip = ipv4(Proto.udp, udp(0, 40000, PORT), { source: [10, 9, 0, 77], target });
    return addressed(ethernet(EtherType.ipv4, ip), lab.macOf(server, interfaces[1]!));
  }

  async function flows(): Promise<{ there: FlowView[]; back: FlowView[] }> {
    await host!.agent.drainNow();
    return {
      there: host!.flows.filter((flow) => flow.DstPort === PORT),
      back: host!.flows.filter((flow) => flow.SrcPort === PORT),
    };
  }

  const name = execFileSync(process.execPath, [
    '-p',
    'require("node:fs").readFileSync("/proc/self/comm", "utf8")',
  ])
    .toString()
    .trim();

  test('a connection has a process at each end', async () => {
    await start();
    const group = makeGroup(`nbt-${process.pid}`, `cri-containerd-${CONTAINER}.scope`);
    const echo = run(server, ECHO, group.folder);
    await once(echo.stdout!, 'data');
    const talk = run(client, TALK);
    talk.stdin!.write('hello\n');
    await once(talk.stdout!, 'data');

    const { there, back } = await flows();

    expect(host!.agent.status().features).toEqual([{ name: 'processes', state: 'on' }]);
    // The accepted socket belongs to the listening process from its first packet on.
    expect(there).toMatchObject([{ ProcessId: talk.pid, ProcessName: name, ContainerId: '' }]);
    expect(back).toMatchObject([
      { ProcessId: echo.pid, ProcessName: name, Cgroup: group.path, ContainerId: CONTAINER },
    ]);
  });

  test('one datagram, and its sender is gone', async () => {
    await start();
    const sender = run(client, SEND_ONE);
    await once(sender, 'exit');

    const { there } = await flows();

    expect(there).toMatchObject([{ Packets: 1, ProcessId: sender.pid, ProcessName: name }]);
  });

  test('a connection that is older than the agent', async () => {
    const echo = run(server, ECHO);
    await once(echo.stdout!, 'data');
    const talk = run(client, TALK);
    talk.stdin!.write('hello\n');
    await once(talk.stdout!, 'data');
    await start();

    talk.stdin!.write('again\n');
    await once(talk.stdout!, 'data');

    const { there, back } = await flows();
    expect(there).toMatchObject([{ ProcessId: talk.pid }]);
    expect(back).toMatchObject([{ ProcessId: echo.pid }]);
  });

  test('only the receiver is on this host', async () => {
    await start(interfaces.slice(1));
    const receiver = run(server, RECEIVE);
    await once(receiver.stdout!, 'data');
    const frame = frameTo([10, 9, 0, 2]);
    const received = once(receiver.stdout!, 'data');
    await lab.frames(client, interfaces[0]!, [frame]);
    await received;

    const { there } = await flows();
    expect(there).toMatchObject([
      { SrcAddr: '10.9.0.77', ProcessId: receiver.pid, ProcessName: 'receiver' },
    ]);
  });

  test('what a host only forwards is not for its sockets, though they listen to any address', async () => {
    lab.inside(server, 'sysctl', '-qw', 'net.ipv4.ip_forward=1');
    lab.inside(server, 'ip', 'route', 'add', '10.77.0.0/24', 'via', CLIENT);
    await start(interfaces.slice(1));
    const receiver = run(server, RECEIVE);
    await once(receiver.stdout!, 'data');
    const received = once(receiver.stdout!, 'data');
    await lab.frames(client, interfaces[0]!, [frameTo([10, 9, 0, 2])]);
    await received;
    await lab.frames(client, interfaces[0]!, [frameTo([10, 77, 0, 1])]);

    const { there } = await flows();
    const processes = Object.fromEntries(there.map((flow) => [flow.DstAddr, flow.ProcessId]));
    expect(processes).toEqual({ [SERVER]: receiver.pid, '10.77.0.1': undefined });
  });
});
