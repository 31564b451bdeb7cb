/** `netobserv agent` as a capture, as users run it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { describeByTcpdump } from '../../support/codec/pcap-file.ts';
import { LabPair } from '../../support/lab/lab-pair.ts';
import { Lab } from '../../support/lab/netns.ts';
import { PacketCollector } from '../../support/net/packet-collector.ts';
import { type Program, programCommand, startProgram } from '../../support/processes/program.ts';
import { requireRoot } from '../../support/require.ts';

const SOON = { timeout: 20_000, interval: 50 } as const;
const PORT = 5802;
const CAPTURE = ['--enable-pca', '--flow-filter-rules', `port=${PORT}`];

describe.skipIf(requireRoot())('netobserv agent captures packets', () => {
  const programs: Program[] = [];

  afterEach(async () => {
    for (const program of programs.splice(0)) await program.stop('SIGKILL');
  });

  function pairOf(lab: Lab) {
    const [left, right] = [lab.namespace('left'), lab.namespace('right')];
    const pair = new LabPair(lab, left, right);
    pair.giveAddresses('10.89.0');
    const send = (): Promise<number> =>
      lab.udp(left, right, { address: pair.v4[1], port: PORT, count: 30, sizeBytes: 500 });
    return { pair, send };
  }

  const run = (args: readonly string[]): Program => {
    const program = startProgram(['agent', ...CAPTURE, ...args], {
      env: { PATH: process.env.PATH },
    });
    programs.push(program);
    return program;
  };

  test('tcpdump reads along', async () => {
    await using lab = new Lab();
    const { pair, send } = pairOf(lab);
    const dump = spawn('tcpdump', ['-lnr', '-'], { stdio: ['pipe', 'pipe', 'ignore'] });
    let lines = '';
    dump.stdout.on('data', (part: Buffer) => {
      lines += part.toString();
    });
    const [command, ...args] = programCommand();
    const options = ['--export', 'stdout', '--interfaces', pair.a];
    const agent = spawn(command!, [...args, 'agent', ...CAPTURE, ...options], {
      env: { PATH: process.env.PATH },
    });
    onTestFinished(() => {
      agent.kill('SIGKILL');
      dump.kill('SIGKILL');
    });
    agent.stdout.pipe(dump.stdin);
    let log = '';
    agent.stderr.on('data', (part: Buffer) => {
      log += part.toString();
    });
    await expect.poll(() => log, SOON).toContain('"msg":"agent is up"');

    await send();
    // While it runs: users need not end it to see packets.
    await expect.poll(() => lines.split('\n').length - 1, SOON).toBe(30);

    const ended = once(dump, 'exit');
    agent.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    expect(lines).toMatch(
      new RegExp(
        `^[\\d:.]+ IP 10\\.89\\.0\\.1\\.\\d+ > 10\\.89\\.0\\.2\\.${PORT}: UDP, length 500`,
      ),
    );
  });

  test('a collector gets them', async () => {
    await using lab = new Lab();
    const { pair, send } = pairOf(lab);
    const collector = new PacketCollector();
    await collector.start();
    try {
      const target = ['--target-host', '127.0.0.1', '--target-port', `${collector.port}`];
      const program = run([...target, '--interfaces', pair.a]);
      await program.waitFor(/"msg":"agent is up"/);
      await send();
      await expect.poll(() => collector.values.length, SOON).toBe(30);
      expect(describeByTcpdump(collector.file())).toHaveLength(30);
    } finally {
      collector.stop();
    }
  });

  test('without rules it does not start, and says why', async () => {
    const program = startProgram(['agent', '--enable-pca', '--export', 'stdout'], {
      env: { PATH: process.env.PATH },
    });
    programs.push(program);
    await program.waitFor(/FLOW_FILTER_RULES: says what ENABLE_PCA captures/);
  });
});
