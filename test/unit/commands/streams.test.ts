import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ROOT } from '../../support/source-tree.ts';

const SOON = { timeout: 15_000, interval: 20 } as const;
const CTRL_S = '\x13';

/** Writes a megabyte to both streams on demand, then reports the losses. */
const CHILD = `
  import { writeFileSync } from 'node:fs';
  import { standardStreams } from '${ROOT}/src/commands/streams.ts';
  const { stdout, stderr } = standardStreams(process);
  const [folder] = process.argv.slice(1);
  setInterval(() => undefined, 60_000);
  process.on('SIGUSR2', () => {
    for (let i = 0; i < 1024; i++) stderr.write('x'.repeat(1024));
    stdout.write('y'.repeat(1024));
    writeFileSync(folder + '/lost', String(stderr.lost));
  });
  writeFileSync(folder + '/pid', String(process.pid));
`;

test('a terminal that was stopped keeps nobody waiting', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'netobserv-streams-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const command = `exec '${process.execPath}' --input-type=module -e "$CHILD" '${folder}'`;
  const env = { ...process.env, CHILD, SHELL: '/bin/sh' };
  const terminal = spawn('script', ['-qfec', command, '/dev/null'], { env });
  terminal.stdout.resume();
  onTestFinished(() => void terminal.kill('SIGKILL'));
  const fromChild = (name: string): string | undefined => {
    const path = join(folder, name);
    return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
  };
  await expect.poll(() => fromChild('pid'), SOON).toMatch(/^\d+$/);
  const pid = Number(fromChild('pid'));
  onTestFinished(() => void process.kill(pid, 'SIGKILL'));

  await new Promise((resolve) => terminal.stdin.write(CTRL_S, resolve));
  process.kill(pid, 'SIGUSR2');
  await expect.poll(() => Number(fromChild('lost') ?? 0), SOON).toBeGreaterThan(500);
});
