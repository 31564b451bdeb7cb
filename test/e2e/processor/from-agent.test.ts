import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { LabPair } from '../../support/lab/lab-pair.ts';
import { Lab } from '../../support/lab/netns.ts';
import { startAgentProgram } from '../../support/processes/agent-program.ts';
import { freePort, startProgram } from '../../support/processes/program.ts';
import { requireRoot } from '../../support/require.ts';

interface Row {
  readonly Packets: number;
  readonly Bytes: number;
  readonly Interfaces: readonly string[];
}

describe.skipIf(requireRoot())('agent and processor', () => {
  test('the lines that the processor writes are what the interface counted', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'netobserv-processor-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const port = await freePort();
    const file = join(folder, 'pipeline.yaml');
    writeFileSync(
      file,
      `
pipeline: [{ name: in }, { name: out, follows: in }]
parameters:
  - { name: in, ingest: { type: grpc, grpc: { port: ${port}, address: 127.0.0.1 } } }
  - { name: out, write: { type: stdout, stdout: { format: json } } }
metricsSettings: { disableGlobalServer: true }
`,
    );
    const processor = startProgram(['processor', '--config', file]);
    onTestFinished(() => void processor.stop('SIGKILL'));
    let lines = '';
    processor.child.stdout!.on('data', (piece: string) => {
      lines += piece;
    });
    await processor.waitFor(/processor is up/);

    await using lab = new Lab();
    const [left, right] = [lab.namespace('left'), lab.namespace('right')];
    const pair = new LabPair(lab, left, right);
    const { program: agent } = await startAgentProgram({
      TARGET_HOST: '127.0.0.1',
      TARGET_PORT: `${port}`,
      INTERFACES: pair.a,
      CACHE_MAX_FLOWS: '20000',
    });
    onTestFinished(() => void agent.stop('SIGKILL'));
    lab.withoutOffloads(left, pair.a);
    lab.withoutOffloads(right, pair.b);
    pair.giveAddresses('10.111.0', 'fd00:111:');
    const [, address] = pair.v4;
    await lab.tcp(left, right, { address, port: 5001, sendBytes: 3e5, replyBytes: 1e5 });
    await lab.sweep(left, pair.a, { flows: 5000, perSecond: 50_000 });
    const before = pair.counted();
    expect(await agent.stop()).toBe(0);
    expect(await processor.stop()).toBe(0);

    const rows = lines
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Row);
    const sum = (field: 'Packets' | 'Bytes'): number =>
      rows.reduce((total, row) => total + row[field], 0);
    const after = pair.counted();
    // Neighbour discovery goes on while the agent stops.
    expect(sum('Packets')).toBeGreaterThanOrEqual(before.packets);
    expect(sum('Packets')).toBeLessThanOrEqual(after.packets);
    expect(sum('Bytes')).toBeGreaterThanOrEqual(before.bytes);
    expect(sum('Bytes')).toBeLessThanOrEqual(after.bytes);
    expect(rows.every(({ Interfaces }) => Interfaces.includes(pair.a))).toBe(true);
  });
});
