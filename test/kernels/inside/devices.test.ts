/**
 * Interfaces on top of others, and tunnels whose two ends are both on this host: each packet inside
 * counts once, whichever interfaces on its way have hooks, and the wire's packets are recorded as
 * its own counters show them.
 */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Lab } from '../../support/lab/netns.ts';
import { type AgentHost, type FlowView, startAgent } from '../../support/processes/agent-host.ts';
import { requireRoot } from '../../support/require.ts';
import { Bed, type Sum } from './bed.ts';
import { KINDS, type Kind, TUNNEL_MODULES } from './kinds.ts';

const DATAGRAMS = 100;
const DATAGRAM_BYTES = 100;
/** IPv4 and UDP. */
const HEADER_BYTES = 20 + 8;
const UDP_PORT = 2000;
const TCP_PORT = 2001;
const STREAM_BYTES = 20_000;

const UDP = 17;
const TCP = 6;

/** Traffic over a pair of devices, besides the datagrams. */
interface Exchange {
  readonly segments: Segments;
  /** By the wires' counters before and after flows were drained: WireGuard also sends by itself. */
  readonly onWires: readonly Sum[];
}

/** TCP segments, from the near end and from the far one. */
type Segments = readonly [number, number];

/** The interfaces that have hooks: at the near end, at the far end. */
interface Watched {
  readonly what: string;
  readonly options: Readonly<Record<string, string>>;
  readonly devices: readonly [boolean, boolean];
  readonly wires: readonly [boolean, boolean];
}

const ALL: Watched = {
  what: 'all interfaces',
  options: {},
  devices: [true, true],
  wires: [true, true],
};
const DEVICES: Watched = {
  what: 'the devices alone',
  options: { INTERFACES: '/-device/' },
  devices: [true, true],
  wires: [false, false],
};
const NEAR: Watched = {
  what: 'the near ends alone',
  options: { INTERFACES: '/^n-/' },
  devices: [true, false],
  wires: [true, false],
};
const WIRES: Watched = {
  what: 'the wires alone',
  options: { INTERFACES: '/-wire/' },
  devices: [false, false],
  wires: [true, true],
};
const PASSES = [
  { what: 'all interfaces are watched', watches: [ALL] },
  { what: 'all and some are watched, by several agents', watches: [ALL, DEVICES, NEAR, WIRES] },
] as const;

/** Bytes of each datagram where it counts; undefined: no hook sees it. */
function datagramBytes(kind: Kind, sender: 0 | 1, { devices, wires }: Watched): number | undefined {
  const bytes = kind.linkBytes + HEADER_BYTES + DATAGRAM_BYTES;
  if (devices[sender]) return bytes;
  if (kind.wraps !== undefined) return devices[1 - sender] ? bytes : undefined;
  if (kind.wires === 0) return devices[1 - sender] ? bytes : undefined;
  return wires[0] || wires[1] ? bytes + (kind.tagBytes ?? 0) : undefined;
}

describe.skipIf(requireRoot())('devices', () => {
  let lab: Lab;
  let beds: readonly Bed[];

  beforeAll(() => {
    execFileSync('modprobe', ['-a', ...TUNNEL_MODULES]);
    lab = new Lab();
    beds = KINDS.map((kind, index) => new Bed(lab, kind, index));
  });
  afterAll(() => lab[Symbol.asyncDispose]());

  // The agents of the second row watch at the same time, and must tolerate each other.
  describe.each(PASSES)('$what', ({ watches }) => {
    const agents: { readonly watched: Watched; readonly host: AgentHost }[] = [];
    const exchanges: Exchange[] = [];

    beforeAll(async () => {
      for (const watched of watches) {
        agents.push({ watched, host: await startAgent(watched.options) });
      }
      const before = beds.map((bed) => bed.onWires());
      const segments: Segments[] = [];
      for (const bed of beds) segments.push(await exchange(lab, bed));
      const least = beds.map((bed) => bed.onWires());
      for (const { host } of agents) await host.agent.drainNow();
      for (const [index, bed] of beds.entries()) {
        exchanges.push({
          segments: segments[index]!,
          onWires: [least[index]!, bed.onWires()].map((sum) => difference(sum, before[index]!)),
        });
      }
    });
    afterAll(async () => {
      for (const { host } of agents) await host[Symbol.asyncDispose]();
    });

    test.each(KINDS.map(({ name }, index) => ({ name, index })))('$name', ({ index }) => {
      for (const { watched, host } of agents) {
        expectOnce(host.flows, watched, beds[index]!, exchanges[index]!);
      }
    });

    // Its frames have the mark of the packets inside, if there are marks: those have counted.
    test('what is on the wire of MACsec is counted as not looked into, unless marked', () => {
      const opaque = exchanges.filter((_, index) => KINDS[index]!.wraps === 'opaque');
      const packets = opaque.reduce((sum, { onWires }) => sum + onWires[0]!.packets, 0);
      for (const { watched, host } of agents) {
        const isCounted = watched.wires[0] && watches.length > 1;
        const counted = host.accounting().unrecorded.not_looked_into!.packets;
        expect(counted, watched.what).toBe(isCounted ? packets : 0);
      }
    });
  });
});

/** Sends datagrams both ways and a stream. */
async function exchange(lab: Lab, { near, far }: Bed): Promise<Segments> {
  const segments = (): Segments => [
    lab.tcpSegments(near.namespace),
    lab.tcpSegments(far.namespace),
  ];
  const before = segments();
  for (const [from, to] of [
    [near, far],
    [far, near],
  ] as const) {
    const datagrams = { port: UDP_PORT, count: DATAGRAMS, sizeBytes: DATAGRAM_BYTES };
    await lab.udp(from.namespace, to.namespace, { address: to.address, ...datagrams });
  }
  const stream = { port: TCP_PORT, sendBytes: STREAM_BYTES, replyBytes: STREAM_BYTES };
  await lab.tcp(near.namespace, far.namespace, { address: far.address, ...stream });
  const after = segments();
  return [after[0] - before[0], after[1] - before[1]];
}

/** The records of one agent about one exchange. */
function expectOnce(
  flows: readonly FlowView[],
  watched: Watched,
  { kind, ends }: Bed,
  { segments, onWires }: Exchange,
): void {
  const recorded = (senders: readonly string[], isMeant: (flow: FlowView) => boolean): Sum =>
    sumOf(flows.filter((flow) => senders.includes(flow.SrcAddr) && isMeant(flow)));
  const why = `${kind.name}, ${watched.what}`;

  for (const from of [0, 1] as const) {
    const bytes = datagramBytes(kind, from, watched);
    const senders = [ends[from].address];
    expect(
      recorded(senders, ({ Proto }) => Proto === UDP),
      why,
    ).toEqual({
      packets: bytes === undefined ? 0 : DATAGRAMS,
      bytes: DATAGRAMS * (bytes ?? 0),
    });
    // Answers to a connection through a vrf belong to that vrf, and leave by its ports past it.
    const isPast = kind.isRouted && from === 1 && !watched.wires.includes(true);
    const seen = bytes === undefined || isPast ? 0 : segments[from];
    expect(recorded(senders, ({ Proto }) => Proto === TCP).packets, why).toBe(seen);
  }
  if (!watched.wires[0] || kind.wraps === 'opaque') return;
  const senders = ends.flatMap(({ address, own, own6 }) => [address, own, own6]);
  const wired = recorded(senders, ({ Interfaces }) =>
    Interfaces.some((name) => name.includes('-wire')),
  );
  const [least, most] = onWires as readonly [Sum, Sum];
  expectBetween(wired.packets, least.packets, most.packets, why);
  // Without wrapping, bytes are those where the packet counts.
  if (kind.wraps === 'tunnel') expectBetween(wired.bytes, least.bytes, most.bytes, why);
}

function expectBetween(value: number, least: number, most: number, why: string): void {
  expect(value, why).toBeGreaterThanOrEqual(least);
  expect(value, why).toBeLessThanOrEqual(most);
}

function sumOf(flows: readonly { Packets: number; Bytes: number }[]): Sum {
  return {
    packets: flows.reduce((sum, { Packets }) => sum + Packets, 0),
    bytes: flows.reduce((sum, { Bytes }) => sum + Bytes, 0),
  };
}

function difference(after: Sum, before: Sum): Sum {
  return { packets: after.packets - before.packets, bytes: after.bytes - before.bytes };
}
