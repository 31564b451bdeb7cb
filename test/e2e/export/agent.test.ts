import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { LabPair } from '../../support/lab/lab-pair.ts';
import { Lab } from '../../support/lab/netns.ts';
import { GrpcCollector, SILENCE } from '../../support/net/grpc-collector.ts';
import { type AgentProgram, startAgentProgram } from '../../support/processes/agent-program.ts';
import { freePort, type Program } from '../../support/processes/program.ts';
import { requireRoot } from '../../support/require.ts';

const SOON = { timeout: 20_000, interval: 50 } as const;
const FRAME_BYTES = 64;
/** `traffic sweep` uses this port for its first flow and the next ones for later flows. */
const FIRST_PORT = 1024;

interface Row {
  readonly Packets: number;
  readonly Bytes: number;
  readonly Interfaces: readonly string[];
  readonly [name: string]: unknown;
}

describe.skipIf(requireRoot())('netobserv agent', () => {
  const programs: Program[] = [];

  afterEach(async () => {
    for (const program of programs.splice(0)) await program.stop('SIGKILL');
  });

  async function startAgent(env: Readonly<Record<string, string>>): Promise<AgentProgram> {
    const agent = await startAgentProgram(env);
    programs.push(agent.program);
    return agent;
  }

  async function collector(): Promise<GrpcCollector> {
    const made = new GrpcCollector();
    await made.start();
    onTestFinished(() => made.kill());
    return made;
  }

  function pairOf(lab: Lab): { left: string; right: string; pair: LabPair } {
    const [left, right] = [lab.namespace('left'), lab.namespace('right')];
    return { left, right, pair: new LabPair(lab, left, right) };
  }

  test('what its collector receives is what the interface counted', async () => {
    await using lab = new Lab();
    const { left, right, pair } = pairOf(lab);
    const made = await collector();
    const { program, total } = await startAgent({
      TARGET_HOST: '127.0.0.1',
      TARGET_PORT: `${made.port}`,
      INTERFACES: pair.a,
      CACHE_MAX_FLOWS: '20000',
    });
    lab.withoutOffloads(left, pair.a);
    lab.withoutOffloads(right, pair.b);
    pair.giveAddresses('10.111.0', 'fd00:111:');
    for (const [, address] of [pair.v4, pair.v6]) {
      await lab.tcp(left, right, { address, port: 5001, sendBytes: 3e5, replyBytes: 1e5 });
      await lab.udp(left, right, { address, port: 5002, count: 500, sizeBytes: 300 });
    }
    await lab.sweep(left, pair.a, { flows: 5000, perSecond: 50_000 });

    await expect
      .poll(() => difference(made.sums(), pair.counted()), SOON)
      .toEqual({ packets: 0, bytes: 0 });
    const [flow] = made.flows.filter(
      ({ record }) => (record.transport as { dst_port?: number }).dst_port === 5002,
    );
    expect(flow!.record).toMatchObject({
      agent_ip: { ipv4: 0xc0000209 },
      transport: { dst_port: 5002, protocol: 17 },
      dup_list: [{ interface: pair.a, direction: 1 }],
    });
    // The collector's flows count as sent once its answer has come. Neighbour discovery goes on in
    // the background, so the metrics may also be ahead of the collector.
    await expect
      .poll(() => total('exporter_sent_packets_total{exporter="grpc"}'), SOON)
      .toBeGreaterThanOrEqual(made.sums().packets - 10);
    expect(await total('exported_batch_total{exporter="grpc"}')).toBeGreaterThan(0);
    expect(await total('recorded_bytes_total')).toBeGreaterThan(0);
    expect(await program.stop()).toBe(0);
  });

  test('SIGTERM amid traffic: all that was counted is delivered', async () => {
    await using lab = new Lab();
    const { left, pair } = pairOf(lab);
    const made = await collector();
    const { program } = await startAgent({
      TARGET_HOST: 'localhost',
      TARGET_PORT: `${made.port}`,
      INTERFACES: pair.a,
      CACHE_MAX_FLOWS: '50000',
      // Only the end drains.
      CACHE_ACTIVE_TIMEOUT: '1h',
    });
    const sending = lab.sweep(left, pair.a, { flows: 20_000, perSecond: 10_000 });
    await expect.poll(() => pair.counted().packets, SOON).toBeGreaterThan(5000);

    expect(await program.stop()).toBe(0);
    await sending;

    // One packet per flow in the order of ports: without a hole, none was lost on the way.
    const ports = made.flows
      .map(({ record }) => (record.transport as { src_port: number }).src_port)
      .sort((a, b) => a - b);
    expect(ports.length).toBeGreaterThan(5000);
    expect(ports).toEqual(ports.map((_, index) => FIRST_PORT + index));
    expect(made.sums()).toEqual({ packets: ports.length, bytes: ports.length * FRAME_BYTES });
  });

  /** A target that does not answer. */
  const UNANSWERED: readonly (readonly [string, () => Promise<Record<string, string>>])[] = [
    [
      'a collector that is not there',
      async () => ({ TARGET_HOST: '127.0.0.1', TARGET_PORT: `${await freePort()}` }),
    ],
    [
      'a collector that takes everything and never answers',
      async () => {
        const made = await collector();
        made.behaviour = SILENCE;
        return { TARGET_HOST: '127.0.0.1', TARGET_PORT: `${made.port}` };
      },
    ],
    [
      'a Kafka broker that accepts connections and says nothing',
      async () => {
        const server = createServer().listen(0, '127.0.0.1');
        await once(server, 'listening');
        onTestFinished(() => void server.close());
        const { port } = server.address() as AddressInfo;
        return { EXPORT: 'kafka', KAFKA_BROKERS: `127.0.0.1:${port}` };
      },
    ],
  ];

  test.each(UNANSWERED)('%s is no reason to fail, to block or to stay', async (_, where) => {
    await using lab = new Lab();
    const { left, pair } = pairOf(lab);
    const { program, total, seen } = await startAgent({
      ...(await where()),
      INTERFACES: pair.a,
      BUFFERS_LENGTH: '3',
    });
    const flows = 4000;
    await lab.sweep(left, pair.a, { flows, perSecond: 2000 });
    // Each flow is in the spool, or the spool has refused it.
    await expect.poll(seen, SOON).toBe(flows);
    expect(await total('unrecorded_packets_total{reason="pipeline_full"}')).toBeGreaterThan(0);
    expect(await total('exporter_spool_messages')).toBe(3);

    expect(await program.stop()).toBe(3);
    expect(program.output()).toContain('could not be delivered before the end');
  });

  test('/readyz follows the hooks, and says that the collector is not there', async () => {
    await using lab = new Lab();
    const { left, pair } = pairOf(lab);
    const [port, nobody] = [await freePort(), await freePort()];
    await startAgent({
      TARGET_HOST: '127.0.0.1',
      TARGET_PORT: `${nobody}`,
      INTERFACES: pair.a,
      METRICS_ENABLE: 'true',
      METRICS_SERVER_PORT: `${port}`,
    });
    const ask = async (path: string): Promise<unknown> => {
      const response = await fetch(`http://127.0.0.1:${port}${path}?full=1`);
      return [response.status, await response.json()];
    };
    expect(await ask('/livez')).toEqual([200, { drain: { ok: true } }]);
    await lab.sweep(left, pair.a, { flows: 100, perSecond: 10_000 });
    await expect
      .poll(() => ask('/readyz'), SOON)
      .toMatchObject([
        503,
        {
          hooks: { ok: true },
          exporter: { ok: false, reason: expect.stringMatching(/^cannot deliver: /) },
        },
      ]);
  });

  test('EXPORT=stdout: a line of JSON for each flow', async () => {
    await using lab = new Lab();
    const { left, pair } = pairOf(lab);
    const { program } = await startAgent({ EXPORT: 'stdout', INTERFACES: pair.a });
    let text = '';
    program.child.stdout!.on('data', (piece: string) => {
      text += piece;
    });
    const flows = 3000;
    await lab.sweep(left, pair.a, { flows, perSecond: 20_000 });
    await expect.poll(() => text.split('\n').length - 1, SOON).toBe(flows);
    expect(await program.stop()).toBe(0);

    const rows = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Row);
    expect(new Set(rows.map((row) => row.SrcPort)).size).toBe(flows);
    for (const row of rows) {
      expect(row).toMatchObject({
        Packets: 1,
        Bytes: FRAME_BYTES,
        AgentIP: '192.0.2.9',
        Proto: 17,
      });
      expect(row.Interfaces).toEqual([pair.a]);
    }
  });

  test('EXPORT=stdout: a reader that stops reading keeps nobody', async () => {
    await using lab = new Lab();
    const { left, pair } = pairOf(lab);
    const { program, total, seen } = await startAgent({
      EXPORT: 'stdout',
      INTERFACES: pair.a,
      CACHE_MAX_FLOWS: '60000',
      BUFFERS_LENGTH: '4',
    });
    const { stdout } = program.child;
    let text = '';
    stdout!.on('data', (piece: string) => {
      text += piece;
    });
    stdout!.pause();
    const flows = 50_000;
    await lab.sweep(left, pair.a, { flows, perSecond: 100_000 });
    await expect.poll(seen, SOON).toBe(flows);
    const recorded = await total('recorded_packets_total');

    program.child.kill('SIGTERM');
    const [code] = (await once(program.child, 'exit')) as [number | null];
    // In order, but some flows are missing.
    expect(code).toBe(3);
    // The rest in the pipe can still be read.
    stdout!.resume();
    await program.end();
    const lost = Number(/"flows":(\d+),"msg":"flows could not be/.exec(program.output())![1]);
    expect(lost).toBeGreaterThan(0);
    expect(text.split('\n').length - 1).toBeGreaterThanOrEqual(recorded - lost);
  });

  test('EXPORT=stdout: the end of a pipe is the end of the agent', async () => {
    await using lab = new Lab();
    const { left, pair } = pairOf(lab);
    const filters = (): string =>
      ['ingress', 'egress']
        .map((side) => lab.inside(left, 'tc', 'filter', 'show', 'dev', pair.a, side))
        .join('');
    const { program } = await startAgent({
      EXPORT: 'stdout',
      INTERFACES: pair.a,
      TC_ATTACH_MODE: 'tc',
    });
    expect(filters()).toContain('flow_ingress');
    // The agent may end while the traffic still runs.
    const exited = once(program.child, 'exit') as Promise<[number | null]>;
    program.child.stdout!.destroy();
    await lab.sweep(left, pair.a, { flows: 100, perSecond: 1000 });
    const [code] = await exited;
    expect(code).toBe(0);
    // Filters would outlive a process that just ends.
    expect(filters()).toBe('');
    expect(program.output()).toContain('"msg":"flows cannot be delivered"');
  });

  test('EXPORT=direct-flp runs the pipeline of FLP_CONFIG in the agent', async () => {
    await using lab = new Lab();
    const { left, pair } = pairOf(lab);
    const port = await freePort();
    const { program } = await startAgent({
      EXPORT: 'direct-flp',
      INTERFACES: pair.a,
      FLP_CONFIG: JSON.stringify({
        'log-level': 'error',
        pipeline: [
          { name: 'flags', follows: 'preset-ingester' },
          { name: 'out', follows: 'flags' },
          { name: 'prom', follows: 'flags' },
        ],
        parameters: [
          {
            name: 'flags',
            transform: {
              type: 'network',
              network: {
                rules: [
                  {
                    type: 'add_service',
                    add_service: { input: 'DstPort', output: 'Service', protocol: 'Proto' },
                  },
                ],
              },
            },
          },
          { name: 'out', write: { type: 'stdout', stdout: { format: 'json' } } },
          {
            name: 'prom',
            encode: {
              type: 'prom',
              prom: {
                prefix: 'mine_',
                metrics: [{ name: 'packets_total', type: 'counter', valueKey: 'Packets' }],
              },
            },
          },
        ],
        metricsSettings: { address: '127.0.0.1', port },
      }),
    });
    let text = '';
    program.child.stdout!.on('data', (piece: string) => {
      text += piece;
    });
    await lab.sweep(left, pair.a, { flows: 200, perSecond: 20_000 });
    await expect.poll(() => text.split('\n').length - 1, SOON).toBe(200);
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    expect(metrics).toMatch(/^mine_packets_total 200$/m);
    expect(await program.stop()).toBe(0);
    expect(program.output()).toContain('FLP_CONFIG: log-level has no effect in an agent');
  });

  test('neither database, console nor pipeline is loaded for an agent that sends its flows', async () => {
    // Modules that V8 compiled, as the program itself reports them.
    const list = `
      process.argv.splice(2, process.argv.length, 'agent');
      process.on('exit', () => console.error('LOADED ' + JSON.stringify(loaded)));
      import { registerHooks } from 'node:module';
      const loaded = [];
      registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context); } });
      await import(process.env.MAIN);
    `;
    const made = await collector();
    const child = spawn(process.execPath, ['--input-type=module', '-e', list, 'main'], {
      env: {
        PATH: process.env.PATH,
        MAIN: new URL('../../../src/main.ts', import.meta.url).href,
        TARGET_HOST: '127.0.0.1',
        TARGET_PORT: `${made.port}`,
        INTERFACES: '/^none$/',
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let text = '';
    child.stderr.on('data', (piece: Buffer) => {
      text += piece.toString();
      if (text.includes('agent is up')) child.kill('SIGTERM');
    });
    await once(child, 'close');
    expect(text).toContain('agent is up');
    const loaded = JSON.parse(/LOADED (.*)/.exec(text)![1]!) as string[];
    expect(loaded.some((url) => url.endsWith('/src/agent/export/grpc.ts'))).toBe(true);
    // Names of errors determine exit codes, and do not count as a pipeline.
    const others = loaded.filter((url) => !url.endsWith('/src/pipeline/errors.ts'));
    const late =
      /duckdb|fastify|\/node_modules\/(yaml|typebox)\/|\/src\/(store|console|pipeline)\//;
    expect(others.filter((url) => late.test(url))).toEqual([]);
  });
});

interface Sums {
  readonly packets: number;
  readonly bytes: number;
}

function difference(ours: Sums, theirs: Sums): Sums {
  return { packets: ours.packets - theirs.packets, bytes: ours.bytes - theirs.bytes };
}
