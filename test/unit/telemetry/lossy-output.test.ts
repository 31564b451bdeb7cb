import { closeSync, openSync } from 'node:fs';
import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { FileOutput } from '../../../src/telemetry/file-output.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { LossyOutput } from '../../../src/telemetry/lossy-output.ts';

/** A terminal stopped by Ctrl-S, until it continues. */
class Stopped extends Writable {
  readonly isTTY = true;
  readonly columns = 80;
  text = '';
  #waiting: (() => void) | undefined;

  override _write(piece: Buffer, _encoding: string, done: () => void): void {
    this.text += piece.toString();
    this.#waiting = done;
  }

  goOn(): void {
    const done = this.#waiting;
    this.#waiting = undefined;
    done?.();
  }
}

const KIB = 'x'.repeat(1024);

test('a stopped terminal takes bounded memory, and what finds no room is counted', () => {
  const terminal = new Stopped();
  const output = new LossyOutput(terminal);
  for (let i = 0; i < 1000; i++) output.write(KIB);
  expect(terminal.writableLength).toBeLessThanOrEqual(258 * 1024);
  expect(output.lost).toBeGreaterThan(700);
  expect(output.lost + terminal.writableLength / 1024).toBe(1000);
  expect(output.isTTY).toBe(true);
  expect(output.columns).toBe(80);
});

test('when the terminal goes on, so does what is written', async () => {
  const terminal = new Stopped();
  const output = new LossyOutput(terminal);
  for (let i = 0; i < 300; i++) output.write(KIB);
  const lost = output.lost;
  while (terminal.writableLength > 0) {
    terminal.goOn();
    await new Promise(setImmediate);
  }
  output.write('again');
  expect(terminal.text.endsWith('again')).toBe(true);
  expect(output.lost).toBe(lost);
});

test('a log on a disk that is full loses its lines, and nothing else happens', async () => {
  const fd = openSync('/dev/full', 'w');
  const output = new LossyOutput(new FileOutput(fd));
  const log = createLog('info', output);
  log.info('one');
  log.error('two');
  await new Promise(setImmediate);
  closeSync(fd);
  expect(output.lost).toBe(2);
});

test('a reader that is gone takes nothing, and every write is still answered', async () => {
  const gone = new Stopped();
  const output = new LossyOutput(gone);
  gone.destroy(new Error('EPIPE'));
  await new Promise<void>((resolve) => {
    output.write('one', () => resolve());
  });
  expect(output.lost).toBe(1);
});
