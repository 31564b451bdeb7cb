import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { NetobservError } from '../../../../src/base/errors.ts';
import { type StopSignal, stopSignal } from '../../../../src/commands/daemon/signals.ts';
import { TELEMETRY_ERRORS } from '../../../../src/telemetry/errors.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

function setUp() {
  const clock = new ManualClock();
  const stdout = new PassThrough();
  const exits: number[] = [];
  const stop: StopSignal = stopSignal({ clock, stdout, exit: (code) => exits.push(code) });
  return { clock, stdout, exits, stop };
}

test.each([
  ...(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const),
  ...(['SIGXCPU', 'SIGPWR', 'SIGALRM'] as const),
])('%s is a request to end', (name) => {
  const { stop, exits } = setUp();
  using _stop = stop;
  process.emit(name);
  expect(stop.signal.aborted).toBe(true);
  expect(exits).toEqual([]);
});

test('a hangup that is to be survived is no request, other signals are', () => {
  using stop = stopSignal({
    clock: new ManualClock(),
    stdout: new PassThrough(),
    exit: () => undefined,
    hangupIsIgnored: true,
  });
  process.emit('SIGHUP');
  expect(stop.signal.aborted).toBe(false);
  process.emit('SIGTERM');
  expect(stop.signal.aborted).toBe(true);
});

test('a second signal ends at once; the same one, passed on, does not', async () => {
  const { stop, exits, clock } = setUp();
  using _stop = stop;
  process.emit('SIGTERM');
  await clock.advance(500);
  process.emit('SIGTERM');
  expect(exits).toEqual([]);
  await clock.advance(1000);
  process.emit('SIGHUP');
  expect(exits).toEqual([130]);
});

test('what hangs at the end is left within the time that supervisors give', async () => {
  const { stop, exits, clock } = setUp();
  process.emit('SIGTERM');
  await clock.advance(27_000);
  expect(exits).toEqual([]);
  await clock.advance(2000);
  expect(exits).toEqual([130]);
  stop[Symbol.dispose]();
});

test('a reader that is gone is an end; a disk that is full is not', () => {
  const { stop, stdout } = setUp();
  using _stop = stop;
  stdout.emit('error', new NetobservError(TELEMETRY_ERRORS.output, 'full', { retryable: true }));
  expect(stop.signal.aborted).toBe(false);
  expect(stop.isReaderGone).toBe(false);
  stdout.emit('error', Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
  expect(stop.signal.aborted).toBe(true);
  expect(stop.isReaderGone).toBe(true);
});

test('a component that failed ends in order; the first failure is the reason', () => {
  const { stop } = setUp();
  using _stop = stop;
  const reason = new Error('the thread has ended');
  stop.fail(reason);
  stop.fail(new Error('what follows from it'));
  expect(stop.signal.aborted).toBe(true);
  expect(stop.signal.reason).toBe(reason);
  expect(stop.failure).toBe(reason);
});

test('an error that nobody caught ends in order, too', () => {
  const { stop } = setUp();
  using _stop = stop;
  const listener = process.listeners('uncaughtException').at(-1)!;
  const bug = new Error('a bug');
  listener(bug, 'uncaughtException');
  expect(stop.signal.aborted).toBe(true);
  expect(stop.failure).toBe(bug);
});
