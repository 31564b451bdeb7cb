/** Random and mangled frames: the datapath agrees with the model, and every packet is counted. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { requireRoot } from '../../support/require.ts';
import { loadDatapath, native, readStats, TEST_HOOKS, takeFlows } from './datapath.ts';
import { authentication, EtherType, extension, ipv4, ipv6, ipv6Fragment, Proto } from './frames.ts';
import { frameOf, LAYERS, type Layer, tag } from './link-frames.ts';
import { Model, type Parsed } from './model.ts';

const RUNS = 60;
const FRAMES_PER_RUN = 40;

const bytes = (minLength: number, maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ minLength, maxLength }).map((array) => Buffer.from(array));

const protocols = fc.constantFrom(
  ...[Proto.tcp, Proto.udp, Proto.sctp, Proto.icmp, Proto.icmpv6, Proto.none, Proto.esp, 47],
  ...[Proto.ah, Proto.udpLite, Proto.dccp],
);

const fragmentation = fc.record({
  id: fc.nat(2),
  offset: fc.constantFrom(0, 0, 1, 3),
  more: fc.boolean(),
});

const ipv4Packets = fc
  .record({
    protocol: protocols,
    payload: bytes(0, 60),
    tos: fc.nat(255),
    fragment: fc.option(fragmentation),
    options: fc.nat(10),
    last: fc.nat(3),
  })
  .map(({ protocol, payload, tos, fragment, options, last }) =>
    ipv4(protocol, payload, {
      tos,
      options: Buffer.alloc(options * 4, 1),
      source: [10, 0, 0, last],
      ...(fragment === null
        ? {}
        : { id: fragment.id, fragmentOffset: fragment.offset, moreFragments: fragment.more }),
    }),
  );

const MAPPED = {
  source: Buffer.from('00000000000000000000ffff0a000001', 'hex'),
  target: Buffer.from('00000000000000000000ffff0a000002', 'hex'),
};

/** Wraps a payload in extension headers, the innermost first. */
const ipv6Packets = fc
  .record({
    protocol: protocols,
    payload: bytes(0, 60),
    trafficClass: fc.nat(255),
    extensions: fc.array(
      fc.tuple(fc.constantFrom('options', 'routing', 'ah', 'fragment'), fragmentation),
      { maxLength: 9 },
    ),
    // Mapped IPv4 addresses, now and then.
    isMapped: fc.constantFrom(false, false, true),
  })
  .map(({ protocol, payload, trafficClass, extensions, isMapped }) => {
    let next: number = protocol;
    let inner: Buffer = payload;
    for (const [kind, fragment] of extensions) {
      if (kind === 'fragment') inner = ipv6Fragment(next, inner, fragment);
      else if (kind === 'ah') inner = authentication(next, inner);
      else inner = extension(next, inner, fragment.offset);
      next = { options: 60, routing: 43, ah: 51, fragment: 44 }[kind]!;
    }
    return ipv6(next, inner, { trafficClass, ...(isMapped ? MAPPED : {}) });
  });

const frames = fc
  .record({
    network: fc.oneof(
      fc.tuple(fc.constant(EtherType.ipv4), ipv4Packets),
      fc.tuple(fc.constant(EtherType.ipv6), ipv6Packets),
      fc.tuple(fc.nat(0xffff), bytes(0, 80)),
      fc.tuple(fc.constantFrom(EtherType.ipv4, EtherType.ipv6), bytes(0, 80)),
    ),
    layers: fc.oneof(
      fc.constant<((inner: Layer) => Layer)[]>([]),
      fc.array(
        fc.nat(4095).map((id) => tag(id)),
        { maxLength: 9 },
      ),
      fc.array(fc.constantFrom(...LAYERS), { maxLength: 5 }),
    ),
    padding: fc.nat(20),
  })
  .map(({ network: [type, packet], layers, padding }) => {
    const payload = Buffer.concat([packet, Buffer.alloc(padding, 0xaa)]);
    return frameOf(layers.reduce<Layer>((inner, layer) => layer(inner), { type, payload }));
  });

/** Truncates a frame or flips some of its bits. */
const mangled = fc
  .record({
    frame: frames,
    keep: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
    flips: fc.array(fc.tuple(fc.nat(120), fc.nat(255)), { maxLength: 2 }),
  })
  .map(({ frame, keep, flips }) => {
    const length = keep === null ? frame.length : Math.max(14, Math.floor(frame.length * keep));
    const copy = Buffer.from(frame.subarray(0, length));
    for (const [at, bits] of flips) if (at < copy.length) copy[at]! ^= bits;
    return copy;
  })
  .filter(isAccepted);

const batches = fc.array(mangled, { minLength: FRAMES_PER_RUN, maxLength: FRAMES_PER_RUN });

/** The kernel refuses a test run on an untagged frame that is shorter than its IP header. */
function isAccepted(frame: Buffer): boolean {
  const type = frame.readUInt16BE(12);
  if (type === EtherType.ipv4) return frame.length >= 14 + 20;
  return type !== EtherType.ipv6 || frame.length >= 14 + 40;
}

interface Expected {
  packets: number;
  bytes: number;
  tcpFlags: number;
  last: Parsed;
}

function expectPacket(flows: Map<string, Expected>, outcome: Parsed, bytes: number): void {
  const seen = flows.get(outcome.key);
  flows.set(outcome.key, {
    packets: (seen?.packets ?? 0) + 1,
    bytes: (seen?.bytes ?? 0) + bytes,
    tcpFlags: (seen?.tcpFlags ?? 0) | outcome.tcpFlags,
    // The VLAN is the first packet's, the DSCP the last one's.
    last: { ...outcome, vlanId: seen?.last.vlanId ?? outcome.vlanId },
  });
}

describe.skipIf(requireRoot()).each([
  ['flows_test', 'test_ingress_l2', true],
  ['flows_copy_test', 'test_egress_l2', true],
  ['flows_test', 'test_ingress_l3', false],
] as const)('%s %s', (object, program, hasL2) => {
  test('does what the model says', async () => {
    // Both remember fragments from one run to the next.
    const datapath = loadDatapath({ object, programs: TEST_HOOKS });
    const model = new Model();
    const counted = { 'not-ip': 0, malformed: 0, 'not-looked-into': 0 };

    const sample = fc.asyncProperty(batches, async (batch) => {
      const flows = new Map<string, Expected>();
      for (const whole of batch) {
        const frame = hasL2 ? whole : whole.subarray(14);
        // A test run requires at least 14 bytes.
        if (frame.length < 14 || !isAccepted(frame)) continue;
        const { retval, data } = native.testRun(datapath, { program, frame });
        expect([retval, Buffer.from(data).toString('hex')]).toEqual([-1, frame.toString('hex')]);
        const outcome = model.parse(frame, hasL2);
        if (typeof outcome === 'string') counted[outcome]++;
        else expectPacket(flows, outcome, frame.length);
      }

      const recorded = await takeFlows(datapath);
      const { notIp, malformed, notLookedInto } = readStats(datapath);
      expect({
        'not-ip': notIp.packets,
        malformed: malformed.packets,
        'not-looked-into': notLookedInto.packets,
      }).toEqual(counted);
      expect(recorded).toHaveLength(flows.size);
      for (const flow of recorded) {
        const { last, ...sums } = flows.get(flow.key)!;
        const { vlanId, dscp, ethProtocol } = last;
        expect(flow).toMatchObject({ ...sums, vlanId, dscp, ethProtocol });
      }
    });
    await fc.assert(sample, { numRuns: RUNS }).finally(() => native.close(datapath));
  }, 60_000);
});
