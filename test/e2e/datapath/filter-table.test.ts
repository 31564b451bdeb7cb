/** Generated rules and packets: the datapath agrees with the model of the documentation. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  bitsOf,
  judge,
  type ModelPacket,
  type Place,
  type WrittenRule,
} from '../../support/models/filter-rules-model.ts';
import { requireRoot } from '../../support/require.ts';
import { loadDatapath, native, TEST_FILTER } from './datapath.ts';
import { EtherType, ethernet, icmp, ipv4, ipv6, Proto, tcp, udp } from './frames.ts';

/** Fixed, so that the table is the same in every run. */
const SEED = 20260720;
const RULE_SETS = 120;
const PACKETS_PER_SET = 60;

// Few addresses and ports, close to each other, so that rules match packets.
const V4 = ['10.0.0.1', '10.0.0.2', '10.0.1.1', '10.128.0.1', '192.168.0.9', '0.0.0.0'];
const V6 = ['fd00:0:0:0:0:0:0:1', 'fd00:0:0:0:0:0:0:2', 'fd00:1:0:0:0:0:0:1', 'a00:0:0:0:0:0:0:1'];
const PORTS = [1, 22, 53, 80, 81, 443, 1024, 8080, 65535];

const cidrV4 = fc
  .tuple(fc.constantFrom(...V4), fc.constantFrom(0, 1, 8, 9, 16, 24, 31, 32))
  .map(([address, length]) => `${address}/${length}`);
const cidrV6 = fc
  .tuple(fc.constantFrom(...V6), fc.constantFrom(0, 1, 8, 16, 32, 64, 127, 128))
  .map(([address, length]) => `${address}/${length}`);

const port = fc.constantFrom(...PORTS);
const portList = fc
  .array(
    fc.oneof(
      port.map(String),
      fc.tuple(port, port).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`),
    ),
    { minLength: 1, maxLength: 5 },
  )
  .map((items) => items.join(','));

const maybe = <T>(arbitrary: fc.Arbitrary<T>, weight = 2): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight, arbitrary }, { weight: 2, arbitrary: fc.constant(undefined) });

/** Compatible conditions; those that never match are refused earlier. */
const transport = fc.oneof(
  { weight: 3, arbitrary: fc.constant({}) },
  {
    weight: 4,
    arbitrary: fc.record({
      protocol: maybe(fc.constantFrom('TCP' as const, 'UDP' as const, 'SCTP' as const)),
      source_ports: maybe(portList, 1),
      destination_ports: maybe(portList, 1),
      ports: maybe(portList, 1),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      protocol: maybe(fc.constant('TCP' as const)),
      tcp_flags: fc
        .subarray(['SYN', 'SYN-ACK', 'ACK', 'FIN', 'FIN-ACK', 'RST', 'RST-ACK', 'PSH', 'PUSH'], {
          minLength: 1,
          maxLength: 3,
        })
        .map((flags) => flags.join(',')),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      icmp_type: maybe(fc.constantFrom('0' as const, 0, 3, 8, 128)),
      icmp_code: maybe(fc.constantFrom('0' as const, 0, 1), 1),
    }),
  },
);

const rules: fc.Arbitrary<WrittenRule> = fc
  .tuple(
    fc.record({
      action: fc.constantFrom('Accept' as const, 'Reject' as const, undefined),
      direction: maybe(fc.constantFrom('Ingress' as const, 'Egress' as const), 1),
      drops: maybe(fc.constant(true), 1),
      sample: maybe(fc.nat(100), 1),
    }),
    fc
      .constantFrom(cidrV4, cidrV6)
      .chain((cidr) => fc.record({ ip_cidr: maybe(cidr, 4), peer_cidr: maybe(cidr, 1) })),
    transport,
  )
  .map((parts) => {
    const defined = Object.entries(Object.assign({}, ...parts)).filter(
      ([, value]) => value != null,
    );
    return Object.fromEntries(defined) as WrittenRule;
  });

const packets: fc.Arbitrary<ModelPacket> = fc
  .record({
    family: fc.constantFrom(4 as const, 6 as const),
    ends: fc.tuple(fc.nat(5), fc.nat(5)),
    protocol: fc.constantFrom(6, 6, 17, 132, 1, 58, 47),
    ports: fc.tuple(port, port),
    flags: fc.constantFrom(0, 1, 2, 4, 16, 17, 18, 20, 24, 8, 33, 194, 31),
    icmp: fc.tuple(fc.constantFrom(0, 3, 8, 128), fc.constantFrom(0, 1)),
  })
  .map(({ family, ends, protocol, ports, flags, icmp: [icmpType, icmpCode] }) => {
    const pool = family === 4 ? V4 : V6;
    const hasPorts = [6, 17, 132].includes(protocol);
    const isIcmp = protocol === 1 || protocol === 58;
    return {
      family,
      source: bitsOf(pool[ends[0] % pool.length]!),
      target: bitsOf(pool[ends[1] % pool.length]!),
      protocol,
      sourcePort: hasPorts ? ports[0] : 0,
      targetPort: hasPorts ? ports[1] : 0,
      flags: protocol === 6 ? flags : 0,
      icmpType: isIcmp ? icmpType : 0,
      icmpCode: isIcmp ? icmpCode : 0,
    };
  });

const bytesOf = (bits: string): Buffer =>
  Buffer.from(bits.match(/.{8}/g)!.map((b) => Number(`0b${b}`)));

function frameOf(packet: ModelPacket): Buffer {
  const { protocol, source, target, sourcePort, targetPort } = packet;
  let payload: Buffer;
  if (protocol === Proto.tcp) {
    payload = tcp(packet.flags);
    payload.writeUInt16BE(sourcePort, 0);
    payload.writeUInt16BE(targetPort, 2);
  } else if (protocol === Proto.icmp || protocol === Proto.icmpv6) {
    payload = icmp(packet.icmpType, packet.icmpCode);
  } else {
    payload = udp(8, sourcePort, targetPort);
  }
  if (packet.family === 4) {
    const ends = { source: [...bytesOf(source)], target: [...bytesOf(target)] };
    return ethernet(EtherType.ipv4, ipv4(protocol, payload, ends));
  }
  const ends = { source: bytesOf(source), target: bytesOf(target) };
  return ethernet(EtherType.ipv6, ipv6(protocol, payload, ends));
}

const PLACES: readonly Place[] = [
  'ingress',
  'egress',
  'through',
  'ingress drop',
  'egress drop',
  'recorded drop',
];

const sets = fc.tuple(
  fc.oneof(
    { weight: 9, arbitrary: fc.array(rules, { minLength: 1, maxLength: 6 }) },
    { weight: 1, arbitrary: fc.array(rules, { minLength: 64, maxLength: 64 }) },
  ),
  fc.array(fc.tuple(packets, fc.nat(PLACES.length - 1)), {
    minLength: PACKETS_PER_SET,
    maxLength: PACKETS_PER_SET,
  }),
);

describe.skipIf(requireRoot())('rules', () => {
  test('the datapath agrees with the model', () => {
    const verdicts = new Map<string, number>();
    const property = fc.property(sets, ([list, cases]) => {
      const text = JSON.stringify(list);
      const datapath = loadDatapath({ object: 'flows_test', programs: [TEST_FILTER], rules: text });
      try {
        for (const [packet, where] of cases) {
          const wanted = judge(list, packet, PLACES[where]!);
          const frame = frameOf(packet);
          const run = native.testRun(datapath, { program: TEST_FILTER, frame, tcIndex: where });
          const found = {
            accepted: (run.retval & 1) !== 0,
            matched: (run.retval & 2) !== 0,
            onlyIfDropped: (run.retval & 4) !== 0,
            sample: run.tcIndex,
          };
          expect(found).toEqual(wanted);
          const kind = `${wanted.accepted} ${wanted.matched} ${wanted.onlyIfDropped}`;
          verdicts.set(kind, (verdicts.get(kind) ?? 0) + 1);
        }
      } finally {
        native.close(datapath);
      }
    });
    fc.assert(property, { seed: SEED, numRuns: RULE_SETS, endOnFailure: true });
    // A table in which some verdict hardly occurs would prove little.
    expect([...verdicts.keys()].sort()).toEqual([
      'false false false',
      'false true false',
      'true false false',
      'true true false',
      'true true true',
    ]);
    expect(Math.min(...verdicts.values())).toBeGreaterThan(50);
  }, 300_000);
});
