import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { PbRecord } from '../../support/codec/pbflow-schema.ts';
import { LabPair } from '../../support/lab/lab-pair.ts';
import { Lab } from '../../support/lab/netns.ts';
import {
  type Flavour,
  freePort,
  type Program,
  startProgram,
} from '../../support/processes/program.ts';
import { requireRoot } from '../../support/require.ts';
import { Nfcapd } from '../ipfix/collectors.ts';
import { Broker, consumeAll } from '../kafka/broker.ts';

/** The whole agent: others store as much as the interface has counted. */

const FLOWS = 5000;
const FRAME_BYTES = 64;

interface Sums {
  readonly packets: number;
  readonly bytes: number;
}

describe.skipIf(requireRoot())('netobserv agent', () => {
  let broker: Broker;
  const programs: Program[] = [];
  beforeAll(async () => {
    broker = await Broker.start();
  });
  afterAll(() => broker[Symbol.asyncDispose]());
  afterEach(async () => {
    for (const program of programs.splice(0)) await program.stop('SIGKILL');
  });

  /** Sends one packet per flow past an agent, ends it, and returns the interface's counts. */
  async function observe(
    env: Readonly<Record<string, string>>,
    flavour: Flavour = 'source',
  ): Promise<Sums> {
    await using lab = new Lab();
    const [left, right] = [lab.namespace('left'), lab.namespace('right')];
    const pair = new LabPair(lab, left, right);
    const program = startProgram(['agent'], {
      flavour,
      env: {
        PATH: process.env.PATH,
        AGENT_IP: '192.0.2.9',
        INTERFACES: pair.a,
        CACHE_MAX_FLOWS: '20000',
        CACHE_ACTIVE_TIMEOUT: '500ms',
        ...env,
      },
    });
    programs.push(program);
    await program.waitFor(/"msg":"agent is up"/);
    const before = pair.counted();
    await lab.sweep(left, pair.a, { flows: FLOWS, perSecond: 5000 });
    const after = pair.counted();
    expect(await program.stop()).toBe(0);
    return { packets: after.packets - before.packets, bytes: after.bytes - before.bytes };
  }

  // The executable contains the libraries of all compressions.
  test.each<[Flavour, string]>([
    ['source', 'zstd'],
    ['packed', 'zstd'],
    ['packed', 'lz4'],
    ['packed', 'snappy'],
    ['packed', 'gzip'],
  ])('a Kafka topic has every packet: %s, %s', async (flavour, compression) => {
    const topic = `agent-${flavour}-${compression}`;
    const env = {
      EXPORT: 'kafka',
      KAFKA_BROKERS: broker.plain,
      KAFKA_TOPIC: topic,
      KAFKA_COMPRESSION: compression,
    };
    const counted = await observe(env, flavour);
    const records = (await consumeAll(broker, topic)).map(
      ({ value }) => PbRecord.decode(value) as unknown as Record<'packets' | 'bytes', number>,
    );
    const sum = (name: 'packets' | 'bytes'): number =>
      records.reduce((total, record) => total + Number(record[name]), 0);
    expect({ packets: sum('packets'), bytes: sum('bytes') }).toEqual(counted);
    expect(counted.packets).toBeGreaterThanOrEqual(FLOWS);
  });

  test('nfcapd has every packet', async () => {
    const port = await freePort();
    const collector = await Nfcapd.start(port);
    const counted = await observe({
      EXPORT: 'ipfix+udp',
      TARGET_HOST: '127.0.0.1',
      TARGET_PORT: String(port),
    });
    const { flows } = await collector.stop();
    const packets = flows.reduce((sum, flow) => sum + flow.packets, 0);
    const bytes = flows.reduce((sum, flow) => sum + flow.bytes, 0);
    expect({ packets, bytes }).toEqual(counted);
    expect(bytes).toBeGreaterThanOrEqual(FLOWS * FRAME_BYTES);
  });
});
