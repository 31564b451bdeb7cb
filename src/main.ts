#!/usr/bin/env -S node --disable-sigusr1
import { systemClock } from './base/clock.ts';
import { startWithoutNodes } from './commands/environment.ts';
import { runCommandLine } from './commands/frame.ts';
import { COMMANDS } from './commands/registry.ts';
import { reportError } from './commands/report-error.ts';
import { standardStreams } from './commands/streams.ts';

startWithoutNodes(process);
// Node's own meaning of the signal is a debugger; without that, and unheard, it would be the end.
process.on('SIGUSR1', () => undefined);

const { stdout, stderr, refusal } = standardStreams(process);
const context = { env: process.env, stdout, stderr, clock: systemClock, helpAll: false };

const code = runCommandLine(process.argv.slice(2), COMMANDS, context);
void code.then((value) => {
  const error = refusal();
  // What was asked for did not get out, so it is not done.
  process.exitCode = value === 0 && error !== undefined ? reportError(error, context) : value;
});
