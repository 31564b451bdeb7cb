/** The side that opened real conversations, and the end of their flows. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FlowEnd, Initiator } from '../../../src/flow/enums.ts';
import { Lab } from '../../support/lab/netns.ts';
import { type AgentHost, type FlowView, startAgent } from '../../support/processes/agent-host.ts';
import { requireRoot } from '../../support/require.ts';
import { addressed, EtherType, ethernet, icmp, ipv4, Proto } from '../datapath/frames.ts';

const CLIENT = '10.9.0.1';
const SERVER = '10.9.0.2';
/** Above the ports that clients get, so that port numbers alone do not reveal the server. */
const PORT = 65_000;

/** Answers every datagram. */
const ANSWER = `
const socket = require('node:dgram').createSocket('udp4');
socket.on('message', (_, { address, port }) => socket.send('y', port, address));
socket.bind(${PORT}, () => console.log('ready'));
`;

/** Sends every line as a datagram; reports when the answer has come. */
const ASK = `
const socket = require('node:dgram').createSocket('udp4');
socket.on('message', () => console.log('answered'));
socket.bind(0, () => console.log('ready'));
process.stdin.on('data', (line) => {
  if (line.toString() !== '\\n') socket.send(line, ${PORT}, '${SERVER}');
});
`;

describe.skipIf(requireRoot())('conversations', () => {
  let lab: Lab;
  let host: AgentHost;
  let client: string;
  let server: string;
  let near: string;
  let far: string;

  beforeEach(async () => {
    lab = new Lab();
    client = lab.namespace('client');
    server = lab.namespace('server');
    [near, far] = lab.pair(
      { namespace: client, addresses: [`${CLIENT}/24`] },
      { namespace: server, addresses: [`${SERVER}/24`] },
    );
    host = await startAgent({ INTERFACES: `${near},${far}`, CACHE_IDLE_TIMEOUT: '50ms' });
  });
  afterEach(async () => {
    await host[Symbol.asyncDispose]();
    await lab[Symbol.asyncDispose]();
  });

  function flowsOf(port: number): { there: FlowView[]; back: FlowView[] } {
    return {
      there: host.flows.filter((flow) => flow.DstPort === port),
      back: host.flows.filter((flow) => flow.SrcPort === port),
    };
  }

  test('TCP, to its end', async () => {
    await lab.tcp(client, server, { address: SERVER, port: PORT, sendBytes: 1000, replyBytes: 10 });
    await host.agent.drainNow();

    const { there, back } = flowsOf(PORT);
    expect(there).toMatchObject([{ Initiator: Initiator.source, FlowEndReason: FlowEnd.ended }]);
    expect(back).toMatchObject([
      { Initiator: Initiator.destination, FlowEndReason: FlowEnd.ended },
    ]);
  });

  test('a refused connection ends at once', async () => {
    await lab.tryTcp(client, SERVER, PORT);
    await host.agent.drainNow();

    const { there, back } = flowsOf(PORT);
    expect(there).toMatchObject([{ Initiator: Initiator.source, FlowEndReason: FlowEnd.ended }]);
    expect(back).toMatchObject([
      { Initiator: Initiator.destination, FlowEndReason: FlowEnd.ended },
    ]);
  });

  test('UDP, by who spoke first, from one drain to the next', async () => {
    await lab.script(server, ANSWER);
    const asker = await lab.script(client, ASK);
    for (let round = 0; round < 3; round++) {
      expect(await asker.ask('question')).toBe('answered');
      await host.agent.drainNow();
    }

    const { there, back } = flowsOf(PORT);
    expect(there.map((flow) => flow.Initiator)).toEqual(Array(3).fill(Initiator.source));
    expect(back.map((flow) => flow.Initiator)).toEqual(Array(3).fill(Initiator.destination));
  });

  test('echo', async () => {
    // Resolves addresses before the question comes.
    await lab.udp(server, client, { address: CLIENT, port: 9, count: 1, sizeBytes: 10 });
    const echo = icmp(8, 0);
    echo.writeUInt16BE(0xffff - 0x0800, 2);
    const target = [10, 9, 0, 2];
    const frame = ethernet(
      EtherType.ipv4,
      ipv4(Proto.icmp, echo, { source: [10, 9, 0, 1], target }),
    );
    await lab.frames(client, near, [addressed(frame, lab.macOf(server, far))]);
    await host.agent.drainNow();

    const of = (type: number) => host.flows.filter((flow) => flow.IcmpType === type);
    expect(of(8)).toMatchObject([{ Initiator: Initiator.source }]);
    expect(of(0)).toMatchObject([{ Initiator: Initiator.destination }]);
  });

  test('no packets lately, and the agent’s own end', async () => {
    await lab.cast(client, { address: SERVER, port: 9, count: 1, sizeBytes: 10 });
    // Takes 0.3 seconds, six times the timeout.
    const slowly = { address: SERVER, port: PORT, count: 48, sizeBytes: 10, perSecond: 160 };
    await lab.udp(client, server, slowly);
    await host.agent.drainNow();
    await lab.cast(client, { address: SERVER, port: 19, count: 1, sizeBytes: 10 });
    await host[Symbol.asyncDispose]();

    expect(flowsOf(9).there).toMatchObject([{ FlowEndReason: FlowEnd.idle }]);
    expect(flowsOf(19).there).toMatchObject([{ FlowEndReason: FlowEnd.shutdown }]);
  });
});
