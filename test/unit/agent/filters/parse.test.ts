import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseFilterRules } from '../../../../src/agent/filters/parse.ts';
import { formatAddress } from '../../../../src/base/ip.ts';

const json = (...rules: readonly unknown[]) => parseFilterRules(JSON.stringify(rules));

function only(rule: unknown) {
  const { rules, problems } = json(rule);
  expect(problems).toEqual([]);
  return rules[0]!;
}

test('a rule without anything accepts everything', () => {
  expect(only({})).toEqual({
    action: 'Accept',
    cidr: undefined,
    peer: undefined,
    direction: undefined,
    protocol: undefined,
    ports: {},
    tcpFlags: 0,
    icmpType: undefined,
    icmpCode: undefined,
    drops: false,
    sample: 0,
  });
});

test('every key', () => {
  const rule = only({
    ip_cidr: '172.210.150.1/24',
    peer_ip: '10.10.10.10',
    action: 'Reject',
    direction: 'Egress',
    protocol: 'SCTP',
    source_port: 100,
    destination_port_range: '80–100',
    drops: true,
    sample: 50,
  });
  expect(formatAddress(rule.cidr!.bytes)).toBe('172.210.150.0');
  expect(rule.peer?.prefix).toBe(128);
  expect(rule).toMatchObject({
    action: 'Reject',
    direction: 'Egress',
    protocol: 132,
    ports: { source: [{ first: 100, last: 100 }], destination: [{ first: 80, last: 100 }] },
    drops: true,
    sample: 50,
  });
});

const PORT_80 = [{ first: 80, last: 80 }];
const MIXED = [...PORT_80, { first: 443, last: 443 }, { first: 8000, last: 8080 }];

test.each([
  ['a number', { port: 80 }, PORT_80],
  ['a text', { port: '80' }, PORT_80],
  ['the original’s pair', { ports: '80,443' }, MIXED.slice(0, 2)],
  ['a range', { port_range: '8000-8080' }, MIXED.slice(2)],
  ['a mixed text', { ports: ' 80, 443,8000-8080 ' }, MIXED],
  ['a mixed list', { port: [80, '443', '8000-8080'] }, MIXED],
  ['a range of one', { port: '80-80' }, PORT_80],
])('ports: %s', (_what, rule, wanted) => {
  expect(only(rule).ports.either).toEqual(wanted);
});

test.each([
  ['PSH', 8],
  ['PUSH', 8],
  ['syn', 2],
  ['SYN-ACK', 256],
  ['SYN,FIN-ACK , RST', 2 + 512 + 4],
])('TCP flags %s', (text, wanted) => {
  expect(only({ tcp_flags: text }).tcpFlags).toBe(wanted);
});

test('as text, 0 is a type and a code of ICMP', () => {
  expect(only({ icmp_type: '0', icmp_code: '0' })).toMatchObject({ icmpType: 0, icmpCode: 0 });
  expect(only({ icmp_type: '0' })).toMatchObject({ icmpType: 0, icmpCode: undefined });
  expect(parseFilterRules('icmp_type=0').rules).toMatchObject([{ icmpType: 0 }]);
});

const EVERYTHING = only({});

/** A rule as `network-observability-cli` writes it: every key, with the zero of its Go type. */
const ZEROS = {
  ...{ direction: '', ip_cidr: '0.0.0.0/0', protocol: '', action: 'Accept', tcp_flags: '' },
  ...{ source_port: 0, destination_port: 0, port: 0, source_port_range: '', source_ports: '' },
  ...{ destination_port_range: '', destination_ports: '', port_range: '', ports: '' },
  ...{ icmp_type: 0, icmp_code: 0, peer_ip: '', peer_cidr: '', drops: false, sample: 0 },
};

test.each([
  ['nothing', {}, {}],
  ['a port', { port: 80 }, { ports: { either: [{ first: 80, last: 80 }] } }],
  ['ports of TCP', { protocol: 'TCP', ports: '80,443' }, { protocol: 6 }],
  ['a range of UDP', { protocol: 'UDP', source_port_range: '80-90' }, { protocol: 17 }],
  ['SYN', { protocol: 'TCP', tcp_flags: 'SYN' }, { tcpFlags: 2 }],
  ['a type of ICMP', { protocol: 'ICMP', icmp_type: 8 }, { icmpType: 8, icmpCode: undefined }],
  ['ICMPv6', { protocol: 'ICMPv6' }, { protocol: 58, icmpType: undefined }],
  ['a direction', { direction: 'Egress' }, { direction: 'Egress' }],
  ['a peer', { peer_ip: 'fd00::1' }, { peer: { prefix: 128 }, cidr: undefined }],
  ['a network', { ip_cidr: '10.0.0.0/8', action: 'Reject' }, { cidr: { prefix: 104 } }],
])('a rule in which the zeros of Go are not given: %s', (_what, given, wanted) => {
  expect(only({ ...ZEROS, ...given })).toMatchObject(wanted);
  const { ip_cidr: network, ...rest } = { ip_cidr: undefined, ...given };
  const bare = only(network === undefined ? rest : given);
  expect(only({ ...ZEROS, ...given })).toEqual(bare);
});

test('0.0.0.0/0 is anywhere, by either family, where nobody writes ::/0', () => {
  expect(only({ ip_cidr: '0.0.0.0/0' })).toEqual(EVERYTHING);
  expect(only({ peer_cidr: '0.0.0.0/0' })).toEqual(EVERYTHING);
  const { rules } = json({ ip_cidr: '0.0.0.0/0' }, { ip_cidr: '2001:db8::/32' });
  expect(rules[0]).toEqual(EVERYTHING);
});

test.each([[{ ip_cidr: '::/0' }], [{ peer_cidr: '::/0', action: 'Reject' }]])(
  '0.0.0.0/0 is IPv4 beside %j',
  (other) => {
    const { rules, problems } = json({ ip_cidr: '0.0.0.0/0' }, { peer_cidr: '0.0.0.0/0' }, other);
    expect(problems).toEqual([]);
    expect(rules[0]?.cidr?.prefix).toBe(96);
    expect(rules[1]?.peer?.prefix).toBe(96);
  },
);

test.each([
  ['ports with a range', { port_range: '80-90,443', ports: '80-90,443' }, { ports: '80-90,443' }],
  [
    'a peer in its network',
    { peer_ip: '10.0.0.1', peer_cidr: '10.0.0.0/8' },
    { peer_ip: '10.0.0.1' },
  ],
  [
    'a network with its peer',
    { peer_cidr: 'fd00::/8', peer_ip: 'fd00::1' },
    { peer_ip: 'fd00::1' },
  ],
  ['a peer twice', { peer_ip: '10.0.0.1', peer_cidr: '10.0.0.1/32' }, { peer_ip: '10.0.0.1' }],
])('told by two keys, as operators do: %s', (_what, twice, once) => {
  expect(only(twice)).toEqual(only(once));
});

test('a list that nobody has made has no rules', () => {
  expect(parseFilterRules('null')).toEqual({ rules: [], problems: [] });
});

test('what is empty is not given', () => {
  expect(only({ direction: '', peer_ip: null, ports: '', port: 80 }).ports.either).toEqual(PORT_80);
});

test('rules on a command line', () => {
  const text =
    'action=Reject ip_cidr=10.0.0.0/8 port=80,443;\n protocol=TCP  tcp_flags=SYN drops=true';
  const { rules, problems } = parseFilterRules(text);
  expect(problems).toEqual([]);
  expect(rules).toMatchObject([
    { action: 'Reject', cidr: { prefix: 104 }, ports: { either: MIXED.slice(0, 2) } },
    { action: 'Accept', protocol: 6, tcpFlags: 2, drops: true },
  ]);
  expect(parseFilterRules('').rules).toEqual([]);
  expect(parseFilterRules('[]')).toEqual({ rules: [], problems: [] });
});

describe('what is refused, and what is said', () => {
  test.each([
    [{ actoin: 'Accept' }, /^rule 2, "actoin": there is no such key, did you mean "action"\?$/],
    [{ xyzzyplugh: 1 }, /there is no such key; there are action, ip_cidr, /],
    [{ constructor: 1 }, /no such key/],
    [{ action: 'Acept' }, /^rule 2, "action": "Acept" is none of Accept, Reject, did you mean Acc/],
    [{ direction: 'up' }, /none of Ingress, Egress/],
    [{ direction: 0 }, /none of Ingress, Egress/],
    [{ protocol: 'TPCP' }, /did you mean TCP\?/],
    [{ tcp_flags: 'SYN_ACK' }, /did you mean SYN-ACK\?/],
    [{ ip_cidr: '10.0.0.0/33' }, /"10.0.0.0\/33" is not a CIDR, such as/],
    [{ peer_ip: '10.0.0.0/8' }, /"peer_ip": "10.0.0.0\/8" is not an address/],
    [{ port: 'http' }, /^rule 2, "port": "http" is neither a port nor a range of ports: 80, "80"/],
    [{ port: 65_536 }, /65536 is neither a port/],
    [{ port: 1.5 }, /neither a port nor a range/],
    [{ port: -1 }, /neither a port nor a range/],
    [{ port: '0' }, /no packet has port 0/],
    [{ ports: [0, 80] }, /no packet has port 0/],
    [{ port: [] }, /an empty list/],
    [{ port: {} }, /neither a port nor a range/],
    [{ ports: '80,,443' }, /neither a port nor a range/],
    [{ port_range: '90-80' }, /"90-80" ends before it begins/],
    [{ port_range: '1-2-3' }, /neither a port nor a range/],
    [{ icmp_type: 256 }, /not a whole number from 0 to 255/],
    [{ sample: -1 }, /not a whole number from 0 to 4294967295/],
    [{ drops: 'maybe' }, /none of true, false/],
    [{ port: 80, ports: '1,2' }, /"port" sets the ports already: give one of them/],
    [{ peer_ip: '11.0.0.1', peer_cidr: '10.0.0.0/8' }, /"peer_ip" sets the peer already/],
    [{ ports: '80,443', port_range: '80-443' }, /"ports" sets the ports already/],
    [{ ip_cidr: '10.0.0.0/8', peer_cidr: 'fd00::/8' }, /"peer_cidr": is of another address fam/],
    [{ ip_cidr: '10.0.0.0/8', protocol: 'ICMPv6' }, /"protocol": does not go with the address/],
    [{ peer_ip: 'fd00::1', protocol: 'ICMP' }, /address family of "peer_ip"/],
    [{ protocol: 'ICMP', port: 80 }, /"port": only TCP, UDP and SCTP have ports/],
    [{ protocol: 'UDP', tcp_flags: 'SYN' }, /"tcp_flags": only TCP has them/],
    [{ protocol: 'TCP', icmp_type: 8 }, /"icmp_type": only ICMP and ICMPv6 have one/],
    [{ icmp_code: '0', port: 80 }, /"icmp_code": goes with neither ports nor TCP flags/],
    [
      { source_ports: '1,2,3,4,5,6,7,8,9', destination_ports: '1,2,3,4,5,6,7,8' },
      /"source_ports": 17 ports and ranges; 16 are the most in one rule/,
    ],
    ['Accept', /^rule 2: "Accept" is not an object/],
    [null, /^rule 2: null is not an object/],
  ])('%j', (rule, message) => {
    expect(json({}, rule).problems).toEqual([expect.stringMatching(message)]);
  });

  test.each([
    ['[{]', /^no JSON/],
    ['{"action": "Accept"}', /^a list of rules is wanted/],
    ['port=80 Accept', /^rule 1: "Accept" is no KEY=VALUE/],
    ['port=80 port=81', /^rule 1, "port": given twice/],
    [JSON.stringify(Array(65).fill({})), /^65 rules; 64 are the most/],
  ])('%s', (text, message) => {
    expect(parseFilterRules(text).problems).toEqual([expect.stringMatching(message)]);
  });

  test('all that is wrong is said at once', () => {
    expect(json({ action: 'x', port: 'y' }, { direction: 'z' }).problems).toHaveLength(3);
  });

  test('any text makes rules, or says what is wrong with it', () => {
    const mistake = fc.constantFrom('', 'x', '-1', '70000', 'a.b', '[1]', '{"x":1}');
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), mistake), (text) => {
        const { rules, problems } = parseFilterRules(text);
        let wanted: unknown;
        try {
          wanted = JSON.parse(text);
        } catch {
          wanted = undefined;
        }
        // Without a problem, every given rule is in the result.
        if (problems.length === 0 && Array.isArray(wanted)) {
          expect(rules).toHaveLength(wanted.length);
        }
        for (const problem of problems) expect(problem.trim()).not.toBe('');
        if (typeof wanted === 'number') expect(problems).not.toEqual([]);
      }),
    );
  });
});
