import { afterEach, describe, expect, test } from 'vitest';
import { PbRecord } from '../../support/codec/pbflow-schema.ts';
import { LabPair } from '../../support/lab/lab-pair.ts';
import { Lab } from '../../support/lab/netns.ts';
import { type AgentProgram, startAgentProgram } from '../../support/processes/agent-program.ts';
import { freePort, type Program } from '../../support/processes/program.ts';
import { requireRoot } from '../../support/require.ts';
import { type Collector, Nfacctd, Nfcapd } from '../ipfix/collectors.ts';
import { tap } from '../ipfix/tap.ts';
import { Broker, consumeAll, countRecords, createTopic } from '../kafka/broker.ts';

/** Collectors killed during traffic, which come back: each packet arrives, or is counted. */

const SOON = { timeout: 30_000, interval: 100 } as const;
/** Templates are sent again after a second, with the next drain. */
const TEMPLATES_MS = 2500;

describe.skipIf(requireRoot())('netobserv agent', () => {
  const programs: Program[] = [];
  afterEach(async () => {
    for (const program of programs.splice(0)) await program.stop('SIGKILL');
  });

  /** Traffic past an agent; `amid` runs meanwhile. Returns when nothing is under way any more. */
  async function observe(
    env: Readonly<Record<string, string>>,
    flows: number,
    amid: (agent: AgentProgram) => Promise<void>,
  ): Promise<{ counted: number; unrecorded: number; lost: number; sent: number }> {
    await using lab = new Lab();
    const [left, right] = [lab.namespace('left'), lab.namespace('right')];
    const pair = new LabPair(lab, left, right);
    const agent = await startAgentProgram({
      INTERFACES: pair.a,
      CACHE_MAX_FLOWS: '20000',
      BUFFERS_LENGTH: '6',
      ...env,
    });
    programs.push(agent.program);
    const sending = lab.sweep(left, pair.a, { flows, perSecond: 3000 });
    await amid(agent);
    await sending;
    const { packets } = pair.counted();
    await expect.poll(agent.seen, SOON).toBe(packets);
    await expect.poll(() => agent.total('exporter_spool_messages'), SOON).toBe(0);
    const fate = {
      counted: packets,
      unrecorded: await agent.total('unrecorded_packets_total'),
      lost: await agent.total('exporter_lost_packets_total'),
      sent: await agent.total('exporter_sent_packets_total'),
    };
    expect(await agent.program.stop()).toBe(0);
    return fate;
  }

  test('a Kafka broker: each packet is in the topic once, or counted', async () => {
    await using broker = await Broker.start();
    await createTopic(broker, 'outage');
    const env = { EXPORT: 'kafka', KAFKA_BROKERS: broker.plain, KAFKA_TOPIC: 'outage' };
    const { counted, unrecorded, lost, sent } = await observe(env, 40_000, async ({ total }) => {
      await expect.poll(() => countRecords(broker, 'outage'), SOON).toBeGreaterThan(1000);
      await broker.kill();
      const refused = 'unrecorded_packets_total{reason="pipeline_full"}';
      await expect.poll(() => total(refused), SOON).toBeGreaterThan(0);
      await broker.restart();
    });
    const records = (await consumeAll(broker, 'outage')).map(
      ({ value }) =>
        PbRecord.decode(value) as unknown as {
          packets: number;
          transport: { src_port: number };
        },
    );
    const packets = records.reduce((sum, record) => sum + Number(record.packets), 0);
    expect(new Set(records.map(({ transport }) => transport.src_port)).size).toBe(records.length);
    expect(packets).toBe(sent);
    expect(packets + lost + unrecorded).toBe(counted);
  });

  test.each([
    ['nfcapd', Nfcapd],
    ['nfacctd', Nfacctd],
  ])(
    '%s, by UDP: all that was sent while it lived; what was sent to nobody is known to the wire',
    async (_name, { start }) => {
      const port = await freePort();
      const first = await start(port);
      const wire = await tap(port);
      let second: Collector | undefined;
      let boundMs = 0;
      const env = { EXPORT: 'ipfix+udp', TARGET_HOST: '127.0.0.1', TARGET_PORT: `${port}` };
      const { counted, unrecorded, lost, sent } = await observe(env, 24_000, async ({ total }) => {
        await expect.poll(() => total('exporter_sent_packets_total'), SOON).toBeGreaterThan(3000);
        await first.kill();
        await expect.poll(() => total('errors_total'), SOON).toBeGreaterThan(0);
        second = await start(port);
        boundMs = Date.now();
      });
      const datagrams = await wire();
      const packets = datagrams
        .flatMap(({ flows }) => flows)
        .reduce((sum, flow) => sum + flow[1], 0);
      // Nobody acknowledges a datagram, so all that has left counts as sent.
      expect(packets).toBe(sent);
      expect(packets + lost + unrecorded).toBe(counted);

      const flows = await second!.storedUpTo(datagrams.at(-1)!.flows.at(-1)![0]);
      const stored = new Set(flows.map(({ sourcePort }) => sourcePort));
      const isStored = ([source]: readonly [number, number]): boolean => stored.has(source);
      const from = datagrams.findIndex((datagram) => datagram.flows.some(isStored));
      const read = datagrams.slice(from);
      expect(read[0]!.timeMs).toBeLessThan(boundMs + TEMPLATES_MS);
      expect(stored).toEqual(new Set(read.flatMap((datagram) => datagram.flows.map(([at]) => at))));
    },
  );
});
