/**
 * IPsec between two namespaces: hooks see ESP, which is recorded as the wire counts it; both the
 * ESP flows and those inside show whether packets could be encrypted and decrypted.
 */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { waysOf } from '../../../src/agent/features/feature.ts';
import { ipsec } from '../../../src/agent/features/ipsec.ts';
import type { Native } from '../../../src/agent/loader/native.ts';
import { Lab } from '../../support/lab/netns.ts';
import {
  type AgentHost,
  agentConfig,
  type FlowView,
  loadNative,
  startAgent,
} from '../../support/processes/agent-host.ts';
import { requireRoot } from '../../support/require.ts';
import { ENCAPSULATED_PORT, type Fault, type Host, Secured, type Way } from './secured.ts';

const MODULES = ['esp4', 'esp6', 'xfrm_user'];
const DATAGRAMS = 100;
const DATAGRAM_BYTES = 100;
const UDP_PORT = 2000;
const TCP_PORT = 2001;
const STREAM_BYTES = 20_000;
const ESP = 50;
const UDP = 17;
const TCP = 6;

const WAYS: readonly Way[] = [
  { name: 'transport over IPv4', family: 4, mode: 'transport' },
  { name: 'transport over IPv6', family: 6, mode: 'transport' },
  { name: 'tunnel over IPv4', family: 4, mode: 'tunnel' },
  { name: 'tunnel over IPv6', family: 6, mode: 'tunnel' },
  { name: 'transport in UDP over IPv4', family: 4, mode: 'transport', isInUdp: true },
  { name: 'transport in UDP over IPv6', family: 6, mode: 'transport', isInUdp: true },
  { name: 'tunnel in UDP over IPv4', family: 4, mode: 'tunnel', isInUdp: true },
  { name: 'tunnel in UDP over IPv6', family: 6, mode: 'tunnel', isInUdp: true },
];

const FAULTS: readonly (readonly [string, Fault])[] = [
  ['the far end has another key', { hasWrongKey: true }],
  ['the state is used up', { packetsMax: 1 }],
  ['nobody decrypts', { isLost: true }],
];

const FAULTY: readonly Way[] = WAYS.filter(({ isInUdp }) => !isInUdp);

/** Ways for the kernel to call the programs: this one has both, older ones have only kprobes. */
const DOORS = [
  { door: 'trampolines', native: loadNative() },
  { door: 'kprobes', native: withoutTrampolines(loadNative()) },
];

describe.skipIf(requireRoot()).each(DOORS)('IPsec by $door', ({ native }) => {
  let lab: Lab;
  let host: AgentHost;

  beforeAll(async () => {
    execFileSync('modprobe', ['-a', ...MODULES]);
    lab = new Lab();
    host = await startAgent({ ENABLE_IPSEC_TRACKING: 'true' }, { native });
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
    await lab[Symbol.asyncDispose]();
  });

  const flowsOf = (from: string, to: string, isMeant: (flow: FlowView) => boolean): FlowView[] =>
    host.flows.filter((flow) => flow.SrcAddr === from && flow.DstAddr === to && isMeant(flow));

  const encrypted = ({ way }: Secured, from: Host, to: Host): FlowView[] =>
    flowsOf(from.outer, to.outer, ({ Proto, DstPort }) =>
      way.isInUdp ? Proto === UDP && DstPort === ENCAPSULATED_PORT : Proto === ESP,
    );

  /** The inner flows of one protocol. */
  const plain = (from: Host, to: Host, protocol: number): FlowView[] =>
    flowsOf(
      from.inner,
      to.inner,
      ({ Proto, DstPort }) => Proto === protocol && DstPort !== ENCAPSULATED_PORT,
    );

  async function prepare(way: Way, index: number, fault: Fault = {}): Promise<Secured> {
    const secured = new Secured(lab, way, index);
    await secured.secure(fault);
    // Everything on the wire is seen once its interfaces have hooks.
    await watched(secured);
    return secured;
  }

  async function watched({ near, far }: Secured): Promise<void> {
    const hasHooks = (wire: string): boolean =>
      host.agent
        .status()
        .interfaces.some(({ name, directions }) => name === wire && directions.length === 2);
    await expect
      .poll(() => hasHooks(near.wire) && hasHooks(far.wire), { timeout: 60_000 })
      .toBe(true);
  }

  const statuses = (flows: readonly FlowView[]): unknown[] => [
    ...new Set(flows.map(({ IPSecStatus, IPSecRetCode }) => `${IPSecStatus} ${IPSecRetCode}`)),
  ];

  test.each(WAYS.map((way, index) => ({ ...way, index })))('$name', async ({ index }) => {
    const way = WAYS[index]!;
    const secured = await prepare(way, index);
    const { near, far } = secured;
    const before = secured.sent();

    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      const datagrams = { port: UDP_PORT, count: DATAGRAMS, sizeBytes: DATAGRAM_BYTES };
      await lab.udp(from.namespace, to.namespace, { address: to.inner, ...datagrams });
    }
    const stream = { port: TCP_PORT, sendBytes: STREAM_BYTES, replyBytes: STREAM_BYTES };
    await lab.tcp(near.namespace, far.namespace, { address: far.inner, ...stream });
    const after = secured.sent();
    await host.agent.drainNow();

    const outside = encrypted(secured, near, far);
    expect(sumOf(outside)).toEqual({
      packets: after.packets - before.packets,
      bytes: after.bytes - before.bytes,
    });
    expect(sumOf(outside).packets).toBe(DATAGRAMS + lab.tcpSegments(near.namespace));
    expect(sumOf(encrypted(secured, far, near)).packets).toBe(
      DATAGRAMS + lab.tcpSegments(far.namespace),
    );
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      expect(statuses(encrypted(secured, from, to))).toEqual(['success 0']);
      for (const protocol of [UDP, TCP]) {
        const inside = plain(from, to, protocol);
        expect(statuses(inside)).toEqual(['success 0']);
        // In a tunnel they come out at the interface again, as they went in.
        const sent = protocol === UDP ? DATAGRAMS : lab.tcpSegments(from.namespace);
        expect(sumOf(inside).packets).toBe(way.mode === 'tunnel' ? sent : 0);
      }
    }
  });

  describe.each(FAULTY.map((way, index) => ({ ...way, index })))('$name', ({ index }) => {
    const way = FAULTY[index]!;
    const placeOf = (fault: number): number => WAYS.length + index * FAULTS.length + fault;

    test('the far end has another key: what arrives cannot be decrypted', async () => {
      const secured = await prepare(way, placeOf(0), { hasWrongKey: true });
      const { near, far } = secured;
      await lab.cast(near.namespace, cast(far.inner));
      await host.agent.drainNow();

      const outside = encrypted(secured, near, far);
      expect(sumOf(outside).packets).toBe(DATAGRAMS);
      expect(statuses(outside)).toEqual(['error -1']);
      expect(statuses(plain(near, far, UDP))).toEqual(['success 0']);
    });

    test('nobody decrypts: what was encrypted is told of both', async () => {
      const secured = await prepare(way, placeOf(1), { isLost: true });
      const { near, far } = secured;
      await lab.cast(near.namespace, cast(far.inner));
      await host.agent.drainNow();

      const outside = encrypted(secured, near, far);
      expect(sumOf(outside).packets).toBe(DATAGRAMS);
      expect(statuses(outside)).toEqual(['success 0']);
      expect(statuses(plain(near, far, UDP))).toEqual(['success 0']);
    });

    test('the state is used up: what could not be encrypted is told of the plain flow', async () => {
      const secured = await prepare(way, placeOf(2), { packetsMax: 1 });
      const { near, far } = secured;
      // The second one fails, and the sender gets the error.
      for (let sent = 0; sent < 2; sent++) {
        await lab.cast(near.namespace, { ...cast(far.inner), count: 1 }).catch(() => undefined);
      }
      await host.agent.drainNow();

      const outside = encrypted(secured, near, far);
      expect(sumOf(outside).packets).toBe(1);
      expect(statuses(outside)).toEqual(['success 0']);
      const failed = plain(near, far, UDP).filter(({ IPSecStatus }) => IPSecStatus === 'error');
      expect(failed.map(({ IPSecRetCode }) => IPSecRetCode)).toEqual([EINVAL]);
    });
  });

  test('records without packets are those of flows that IPsec was given, and nothing else', () => {
    const blank = host.flows.filter(({ Packets }) => Packets === 0);
    expect(blank.filter(({ IPSecStatus }) => IPSecStatus === undefined)).toEqual([]);
    expect(blank.filter(({ Proto }) => Proto === ESP)).toEqual([]);
  });
});

const EINVAL = -22;

function withoutTrampolines(native: Native): Native {
  const trampolines = waysOf(ipsec, agentConfig())[0]!.map(({ program }) => program);
  return {
    ...native,
    load(object, options) {
      if (options.programs.some((program) => trampolines.includes(program))) {
        throw new Error('this kernel has no trampolines');
      }
      return native.load(object, options);
    },
  };
}

function cast(address: string): {
  address: string;
  port: number;
  count: number;
  sizeBytes: number;
} {
  return { address, port: UDP_PORT, count: DATAGRAMS, sizeBytes: DATAGRAM_BYTES };
}

function sumOf(flows: readonly FlowView[]): { packets: number; bytes: number } {
  return {
    packets: flows.reduce((sum, { Packets }) => sum + Packets, 0),
    bytes: flows.reduce((sum, { Bytes }) => sum + Bytes, 0),
  };
}
