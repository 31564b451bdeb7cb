/**
 * XDP programs of others run before our hooks: packets that they pass count once, and those that
 * they drop or send back do not reach a hook there. In the driver, a new packet is made after the
 * program, without any marks of hooks.
 */
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ip, Lab } from '../../support/lab/netns.ts';
import { type AgentHost, startAgent } from '../../support/processes/agent-host.ts';
import { requireRoot } from '../../support/require.ts';
import { ROOT } from '../../support/source-tree.ts';

const OBJECT = join(ROOT, 'build/bpf/xdp.bpf.o');
const CLIENT = '10.92.0.1';
const SERVER = '10.92.0.2';
const PORT = 5001;
const COUNT = 50;
const SIZE_BYTES = 100;
/** Ethernet, IPv4 and UDP. */
const WIRE_BYTES = SIZE_BYTES + 14 + 20 + 8;

/** In the kernel's receive path, or in the driver. */
type Mode = 'xdpgeneric' | 'xdpdrv';

const NONE = { packets: 0, bytes: 0 };
const ALL = { packets: COUNT, bytes: COUNT * WIRE_BYTES };

describe.skipIf(requireRoot())('XDP programs of others', () => {
  let lab: Lab;
  let client: string;
  let server: string;
  let near: string;
  let far: string;

  beforeEach(() => {
    lab = new Lab();
    client = lab.namespace('client');
    server = lab.namespace('server');
    [near, far] = lab.pair(
      { namespace: client, addresses: [`${CLIENT}/24`] },
      { namespace: server, addresses: [`${SERVER}/24`] },
    );
    for (const [namespace, name, address, other] of [
      [client, near, SERVER, lab.macOf(server, far)],
      [server, far, CLIENT, lab.macOf(client, near)],
    ] as const) {
      const lladdr = ['lladdr', other, 'nud', 'permanent'];
      ip('-n', namespace, 'neighbour', 'replace', address, ...lladdr, 'dev', name);
    }
  });
  afterEach(() => lab[Symbol.asyncDispose]());

  /** At the server's end, before everything else. */
  function load(program: string, mode: Mode): void {
    const xdp = (which: string): string[] => [mode, 'object', OBJECT, 'program', which];
    ip('-n', server, 'link', 'set', 'dev', far, ...xdp(program));
    // A driver of a pair takes packets back only if a program waits for them.
    if (mode === 'xdpdrv') ip('-n', client, 'link', 'set', 'dev', near, ...xdp('passer'));
  }

  /** Watched interfaces, by their end of the wire. */
  function watch(ends: readonly ('near' | 'far')[], features = {}): Promise<AgentHost> {
    const names = ends.map((end) => (end === 'near' ? near : far));
    return startAgent({ INTERFACES: names.join(), CACHE_ACTIVE_TIMEOUT: '60s', ...features });
  }

  async function send(host: AgentHost): Promise<void> {
    const traffic = { address: SERVER, port: PORT, count: COUNT, sizeBytes: SIZE_BYTES };
    await lab.cast(client, traffic);
    await host.agent.drainNow();
  }

  function sumOf(host: AgentHost, port: 'SrcPort' | 'DstPort'): typeof NONE {
    const flows = host.flows.filter((flow) => flow[port] === PORT);
    return {
      packets: flows.reduce((sum, { Packets }) => sum + Packets, 0),
      bytes: flows.reduce((sum, { Bytes }) => sum + Bytes, 0),
    };
  }

  describe.each<Mode>(['xdpgeneric', 'xdpdrv'])('%s', (mode) => {
    test.each([
      // program, watched, sent, returned
      ['passer', ['near', 'far'], ALL, NONE],
      ['passer', ['far'], ALL, NONE],
      ['dropper', ['near', 'far'], ALL, NONE],
      ['dropper', ['far'], NONE, NONE],
      ['reflector', ['near', 'far'], ALL, ALL],
      ['reflector', ['near'], ALL, ALL],
      ['reflector', ['far'], NONE, NONE],
    ] as const)('%s, with hooks at %j', async (program, ends, sent, returned) => {
      load(program, mode);
      await using host = await watch(ends);
      const before = lab.counters(client, near);
      await send(host);

      expect(sumOf(host, 'DstPort')).toEqual(sent);
      expect(sumOf(host, 'SrcPort')).toEqual(returned);
      const after = lab.counters(client, near);
      expect(after.txPackets - before.txPackets).toBe(COUNT);
      // Nobody listens: ICMP answers the packets that arrive, within its rate limit.
      if (program === 'passer') return;
      expect(after.rxPackets - before.rxPackets).toBe(program === 'reflector' ? COUNT : 0);
    });

    test('a program that comes while flows are watched, and goes again', async () => {
      await using host = await watch(['near', 'far']);
      await send(host);
      load('passer', mode);
      await send(host);
      ip('-n', server, 'link', 'set', 'dev', far, mode, 'off');
      await send(host);

      expect(sumOf(host, 'DstPort')).toEqual({
        packets: 3 * COUNT,
        bytes: 3 * COUNT * WIRE_BYTES,
      });
    });
  });

  test('what it drops has no reason, and is counted as unexplained', async () => {
    load('dropper', 'xdpgeneric');
    await using host = await watch(['near', 'far'], { ENABLE_PKT_DROPS: 'true' });
    await send(host);

    const [sent, ...others] = host.flows.filter(({ DstPort }) => DstPort === PORT);
    expect(others).toEqual([]);
    expect(sent!.Packets).toBe(COUNT);
    expect(sent!.PktDropPackets).toBeUndefined();
    const metrics = await host.metrics.registry.metrics();
    const [, skipped] = /^probe_skips_total\{reason="unexplained"\} (\d+)$/m.exec(metrics) ?? [];
    expect(Number(skipped)).toBeGreaterThanOrEqual(COUNT);
  });
});
