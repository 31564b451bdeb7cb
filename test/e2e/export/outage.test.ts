import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { LabPair } from '../../support/lab/lab-pair.ts';
import { Lab } from '../../support/lab/netns.ts';
import { selfSigned } from '../../support/net/certificate.ts';
import { startAgentProgram } from '../../support/processes/agent-program.ts';
import { type Program, startProgram } from '../../support/processes/program.ts';
import { requireRoot } from '../../support/require.ts';

const SOON = { timeout: 20_000, interval: 50 } as const;
/** Concurrent calls; a dying collector may have taken their flows without an answer. */
const IN_FLIGHT_MAX = 4;

/** Source ports of the flows of a call, with their packets. */
type Call = readonly (readonly [port: number, packets: number])[];

describe.skipIf(requireRoot())('netobserv agent', () => {
  const programs: Program[] = [];
  const folder = mkdtempSync(join(tmpdir(), 'netobserv-outage-'));
  const [server, client] = [selfSigned(), selfSigned()];
  const file = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };

  afterEach(async () => {
    for (const program of programs.splice(0)) await program.stop('SIGKILL');
    rmSync(folder, { recursive: true });
  });

  async function startCollector(port = 0): Promise<{ program: Program; port: number }> {
    const script = join(import.meta.dirname, '../../support/net/recording-collector-child.ts');
    const program = startProgram([script], {
      command: [process.execPath],
      env: { CERT: server.cert, KEY: server.key, CLIENT_CA: client.cert, PORT: `${port}` },
    });
    programs.push(program);
    const [, bound] = await program.waitFor(/^(\d+)\n/);
    return { program, port: Number(bound) };
  }

  /** The complete lines that a collector had printed. */
  const callsOf = (program: Program): Call[] =>
    program
      .output()
      .split('\n')
      .filter((line) => line.startsWith('[') && line.endsWith(']'))
      .map((line) => JSON.parse(line) as Call);

  test('a collector with mutual TLS is killed amid traffic and comes back: each packet is received or counted', async () => {
    await using lab = new Lab();
    const [left, right] = [lab.namespace('left'), lab.namespace('right')];
    const pair = new LabPair(lab, left, right);
    const first = await startCollector();
    const { program, total, seen } = await startAgentProgram({
      TARGET_HOST: 'localhost',
      TARGET_PORT: `${first.port}`,
      TARGET_TLS_CA_CERT_PATH: file('server.crt', server.cert),
      TARGET_TLS_USER_CERT_PATH: file('client.crt', client.cert),
      TARGET_TLS_USER_KEY_PATH: file('client.key', client.key),
      INTERFACES: pair.a,
      CACHE_MAX_FLOWS: '20000',
      BUFFERS_LENGTH: '6',
    });
    programs.push(program);
    const sending = lab.sweep(left, pair.a, { flows: 40_000, perSecond: 5000 });
    await expect.poll(() => callsOf(first.program).length, SOON).toBeGreaterThan(3);
    await first.program.stop('SIGKILL');
    // The spool is full, and has no room for new flows.
    await expect
      .poll(() => total('unrecorded_packets_total{reason="pipeline_full"}'), SOON)
      .toBeGreaterThan(0);
    const second = await startCollector(first.port);
    await expect.poll(() => callsOf(second.program).length, SOON).toBeGreaterThan(0);
    await sending;

    const { packets } = pair.counted();
    await expect.poll(seen, SOON).toBe(packets);
    await expect.poll(() => total('exporter_spool_messages'), SOON).toBe(0);
    const [before, after] = [callsOf(first.program), callsOf(second.program)];
    const received = new Map([...before, ...after].flat());
    const sum = [...received.values()].reduce((all, one) => all + one, 0);
    const lost = await total('exporter_lost_packets_total');
    expect(sum + lost + (await total('unrecorded_packets_total'))).toBe(packets);
    // Only flows that it had taken and not answered may have been sent again.
    const unanswered = new Map(before.slice(-IN_FLIGHT_MAX).flat());
    const again = new Map(before.flat());
    const repeated = after.flat().filter(([port]) => again.has(port));
    expect(repeated.filter(([port]) => !unanswered.has(port))).toEqual([]);
    expect(await program.stop()).toBe(0);
  });
});
