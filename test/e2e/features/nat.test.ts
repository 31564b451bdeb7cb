/** Translations on a real router, compared with its table of connections. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ip, Lab } from '../../support/lab/netns.ts';
import { type AgentHost, type FlowView, startAgent } from '../../support/processes/agent-host.ts';
import { requireProgram, requireRoot } from '../../support/require.ts';
import { EtherType, ethernet, icmp, ipv4, Proto } from '../datapath/frames.ts';

const CLIENT = '10.9.1.2';
const NEAR = '10.9.1.1';
const FAR = '10.9.2.1';
const SERVER = '10.9.2.2';
const CLIENT6 = 'fd09:1::2';
const NEAR6 = 'fd09:1::1';
const FAR6 = 'fd09:2::1';
const SERVER6 = 'fd09:2::2';
/** The address at which the router answers for the server. */
const SERVICE_PORT = 80;
const PORT = 5001;

const SNAT = `meta l4proto { tcp, udp } snat to ${FAR}:40000-40999`;
const SNAT6 = `meta l4proto tcp snat to [${FAR6}]:40000-40999`;

const EXCHANGE = { address: SERVER, port: PORT, sendBytes: 20_000, replyBytes: 20_000 };

interface Tuple {
  readonly src: string;
  readonly dst: string;
  readonly sport: number;
  readonly dport: number;
}

/** The addresses and ports of a flow, and its translated ones on the other side. */
const endsOf = (flow: FlowView) =>
  `${flow.SrcAddr} ${flow.SrcPort ?? '-'} ${flow.DstAddr} ${flow.DstPort ?? '-'}`;
const otherEndsOf = (flow: FlowView) =>
  `${flow.XlatSrcAddr} ${flow.XlatSrcPort ?? '-'} ${flow.XlatDstAddr} ${flow.XlatDstPort ?? '-'}`;
const forth = ({ src, sport, dst, dport }: Tuple) => `${src} ${sport} ${dst} ${dport}`;
const back = ({ src, sport, dst, dport }: Tuple) => `${dst} ${dport} ${src} ${sport}`;

describe.skipIf(requireRoot() || requireProgram('/usr/sbin/nft'))('address translation', () => {
  let lab: Lab;
  let client: string;
  let router: string;
  let server: string;
  let near: string;
  let far: string;
  let clientLink: string;
  let host: AgentHost | undefined;

  beforeEach(() => {
    lab = new Lab();
    client = lab.namespace('client');
    router = lab.namespace('router');
    server = lab.namespace('server');
    [clientLink, near] = lab.pair(
      { namespace: client, addresses: [`${CLIENT}/24`, `${CLIENT6}/64`] },
      { namespace: router, addresses: [`${NEAR}/24`, `${NEAR6}/64`] },
    );
    [far] = lab.pair(
      { namespace: router, addresses: [`${FAR}/24`, `${FAR6}/64`] },
      { namespace: server, addresses: [`${SERVER}/24`, `${SERVER6}/64`] },
    );
    for (const forwarding of ['ipv4.ip_forward', 'ipv6.conf.all.forwarding']) {
      lab.inside(router, 'sysctl', '-qw', `net.${forwarding}=1`);
    }
    for (const [namespace, v4, v6] of [
      [client, NEAR, NEAR6],
      [server, FAR, FAR6],
    ] as const) {
      lab.inside(namespace, 'ip', 'route', 'add', 'default', 'via', v4);
      lab.inside(namespace, 'ip', '-6', 'route', 'add', 'default', 'via', v6);
    }
  });
  afterEach(async () => {
    await host?.[Symbol.asyncDispose]();
    host = undefined;
    await lab[Symbol.asyncDispose]();
  });

  async function watch(...links: readonly string[]): Promise<AgentHost> {
    host = await startAgent({ INTERFACES: links.join(), ENABLE_PKT_TRANSLATION: 'true' });
    expect(host.agent.status().features).toEqual([{ name: 'nat', state: 'on' }]);
    return host;
  }

  function rules(family: 'ip' | 'ip6', hook: 'prerouting' | 'postrouting', rule: string): void {
    const priority = hook === 'prerouting' ? 'dstnat' : 'srcnat';
    const chain = `{ type nat hook ${hook} priority ${priority}; }`;
    lab.inside(
      router,
      'nft',
      `add table ${family} t; add chain ${family} t c ${chain}; add rule ${family} t c ${rule}`,
    );
  }

  /** Both tuples of the router's only connection of this protocol. */
  function connection(protocol: string): readonly [Tuple, Tuple] {
    const lines = lab.inside(router, 'cat', '/proc/net/nf_conntrack').split('\n');
    const matching = lines.filter((line) => line.includes(` ${protocol} `));
    expect(matching).toHaveLength(1);
    const tuples = [...matching[0]!.matchAll(/src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)/g)].map(
      ([, src, dst, sport, dport]): Tuple => ({
        src: shorten(src!),
        dst: shorten(dst!),
        sport: Number(sport),
        dport: Number(dport),
      }),
    );
    return [tuples[0]!, tuples[1]!];
  }

  /** Every flow with its translated addresses and ports. */
  async function sides(agent: AgentHost): Promise<Record<string, string>> {
    await agent.agent.drainNow();
    return Object.fromEntries(agent.flows.map((flow) => [endsOf(flow), otherEndsOf(flow)]));
  }

  /** The relation of a translated connection's four flows. */
  function expected([original, reply]: readonly [Tuple, Tuple]): Record<string, string> {
    return {
      [forth(original)]: back(reply),
      [back(reply)]: forth(original),
      [forth(reply)]: back(original),
      [back(original)]: forth(reply),
    };
  }

  test.each([
    ['the source, port included', 'ip', 'postrouting', SNAT, {}],
    ['the source by masquerading', 'ip', 'postrouting', `oifname != "lo" masquerade`, {}],
    [
      'the destination, port included',
      'ip',
      'prerouting',
      `tcp dport ${SERVICE_PORT} dnat to ${SERVER}:${PORT}`,
      { address: NEAR, port: SERVICE_PORT, listenPort: PORT },
    ],
    ['the source, IPv6', 'ip6', 'postrouting', SNAT6, { address: SERVER6 }],
    [
      'the destination, IPv6',
      'ip6',
      'prerouting',
      `tcp dport ${SERVICE_PORT} dnat to [${SERVER6}]:${PORT}`,
      { address: NEAR6, port: SERVICE_PORT, listenPort: PORT },
    ],
  ] as const)(
    'of %s: all four flows know their other side',
    async (_what, family, hook, rule, way) => {
      rules(family, hook, rule);
      const agent = await watch(near, far);

      await lab.tcp(client, server, { ...EXCHANGE, ...way });

      const found = await sides(agent);
      const wanted = expected(connection('tcp'));
      expect(Object.keys(wanted)).toHaveLength(4);
      expect(found).toMatchObject(wanted);
      for (const flow of agent.flows.filter(({ Proto }) => Proto === 6))
        expect(flow.ZoneId).toBe(0);
    },
  );

  test('hooks where nobody translates are told by those behind the translator', async () => {
    rules('ip', 'postrouting', SNAT);
    const agent = await watch(clientLink, far);

    await lab.tcp(client, server, EXCHANGE);

    expect(await sides(agent)).toMatchObject(expected(connection('tcp')));
  });

  test('a single datagram that nobody answers, for which there is no connection yet', async () => {
    rules('ip', 'postrouting', SNAT);
    const agent = await watch(near, far);

    await lab.udp(client, server, { address: SERVER, port: PORT, count: 1, sizeBytes: 100 });

    const [original, reply] = connection('udp');
    expect(await sides(agent)).toMatchObject({
      [forth(original)]: back(reply),
      [back(reply)]: forth(original),
    });
  });

  test('an echo, which has no ports', async () => {
    rules('ip', 'postrouting', `snat to ${FAR}`);
    const agent = await watch(near, far);

    // From now on neighbours are resolved.
    await lab.tcp(client, server, EXCHANGE);
    await lab.frames(client, clientLink, [echoRequest(hardwareAddress(router, near))]);
    await expect.poll(() => lab.snmp(client, 'Icmp', 'InEchoReps')).toBe(1);

    expect(await sides(agent)).toMatchObject({
      [`${CLIENT} - ${SERVER} -`]: `${FAR} - ${SERVER} -`,
      [`${FAR} - ${SERVER} -`]: `${CLIENT} - ${SERVER} -`,
      [`${SERVER} - ${FAR} -`]: `${SERVER} - ${CLIENT} -`,
      [`${SERVER} - ${CLIENT} -`]: `${SERVER} - ${FAR} -`,
    });
  });

  test('in another zone than the first', async () => {
    const zone = 'add chain ip t z { type filter hook prerouting priority raw; }';
    lab.inside(router, 'nft', `add table ip t; ${zone}; add rule ip t z ct zone set 7`);
    rules('ip', 'postrouting', SNAT);
    const agent = await watch(near, far);

    await lab.tcp(client, server, EXCHANGE);

    expect(await sides(agent)).toMatchObject(expected(connection('tcp')));
    expect(agent.flows.map((flow) => flow.ZoneId)).toContain(7);
  });

  test('a long flow is found again in every entry', async () => {
    rules('ip', 'postrouting', SNAT);
    const agent = await watch(near, far);
    const exchange = lab.tcp(client, server, { ...EXCHANGE, sendBytes: 400_000_000 });
    let ended = false;
    void exchange.finally(() => {
      ended = true;
    });
    let rounds = 0;
    while (!ended) {
      agent.flows.length = 0;
      await agent.agent.drainNow();
      const big = agent.flows.filter((flow) => flow.Packets > 100 && flow.DstPort === PORT);
      for (const flow of big) expect(otherEndsOf(flow)).toContain(SERVER);
      if (big.length === 2) rounds++;
    }
    await exchange;
    expect(rounds).toBeGreaterThan(1);
  });

  test('tracked, but not translated: no fields', async () => {
    lab.inside(
      router,
      'nft',
      'add table ip t; add chain ip t c { type filter hook forward priority 0; }; add rule ip t c ct state new counter',
    );
    const agent = await watch(near, far);

    await lab.tcp(client, server, EXCHANGE);

    const [original, reply] = connection('tcp');
    expect(forth(original)).toBe(back(reply));
    await agent.agent.drainNow();
    expect(agent.flows.length).toBeGreaterThanOrEqual(2);
    for (const flow of agent.flows) {
      expect(flow).toMatchObject({
        XlatSrcAddr: '',
        XlatDstAddr: '',
        XlatSrcPort: undefined,
        XlatDstPort: undefined,
        ZoneId: undefined,
      });
    }
  });
});

function hardwareAddress(namespace: string, link: string): string {
  const [found] = JSON.parse(ip('-n', namespace, '-j', 'link', 'show', 'dev', link)) as [
    { address: string },
  ];
  return found.address;
}

/** From the client to the server, through the device with this MAC address. */
function echoRequest(mac: string): Buffer {
  const octets = (address: string): number[] => address.split('.').map(Number);
  const request = icmp(8, 0);
  request.writeUInt16BE(4711, 4);
  const echo = withChecksum(request, 2);
  const packet = ipv4(Proto.icmp, echo, { source: octets(CLIENT), target: octets(SERVER) });
  const frame = ethernet(
    EtherType.ipv4,
    Buffer.concat([withChecksum(packet.subarray(0, 20), 10), echo]),
  );
  frame.set(Buffer.from(mac.replaceAll(':', ''), 'hex'), 0);
  return frame;
}

/** RFC 1071; the checksum field is 0 before. */
function withChecksum(bytes: Buffer, at: number): Buffer {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += bytes.readUInt16BE(i);
  sum = (sum & 0xffff) + (sum >>> 16);
  const result = Buffer.from(bytes);
  result.writeUInt16BE(~(sum + (sum >>> 16)) & 0xffff, at);
  return result;
}

/** `fd09:0001:0000:…:0002` in the usual notation. */
function shorten(address: string): string {
  if (!address.includes(':')) return address;
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}
