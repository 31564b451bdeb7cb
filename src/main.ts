#!/usr/bin/env -S node --disable-sigusr1
import { systemClock } from './base/clock.ts';
import { startWithoutNodes } from './commands/environment.ts';
import { runCommandLine } from './commands/frame.ts';
import { isHangupIgnored, originOf } from './commands/hangup.ts';
import { COMMANDS } from './commands/registry.ts';
import { reportError } from './commands/report-error.ts';
import { standardStreams } from './commands/streams.ts';

startWithoutNodes(process);
// Node's own meaning of the first is a debugger; without that, and unheard, each would be the end,
// though it asks other programs for something harmless, such as a new log file.
for (const name of ['SIGUSR1', 'SIGUSR2'] as const) process.on(name, () => undefined);
// At once: a shell that starts the program and ends may send it in the next moment.
const hangupIsIgnored = isHangupIgnored(originOf(process));
if (hangupIsIgnored) process.on('SIGHUP', () => undefined);

const { stdout, stderr, refusal } = standardStreams(process);
const { env } = process;
const context = { env, stdout, stderr, clock: systemClock, helpAll: false, hangupIsIgnored };

const code = runCommandLine(process.argv.slice(2), COMMANDS, context);
void code.then((value) => {
  const error = refusal();
  // What was asked for did not get out, so it is not done.
  process.exitCode = value === 0 && error !== undefined ? reportError(error, context) : value;
});
