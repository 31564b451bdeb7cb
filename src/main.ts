#!/usr/bin/env -S node --disable-sigusr1
import { systemClock } from './base/clock.ts';
import { startWithoutNodes } from './commands/environment.ts';
import { runCommandLine } from './commands/frame.ts';
import { isHangupIgnored, originOf } from './commands/hangup.ts';
import { COMMANDS } from './commands/registry.ts';
import { reportError } from './commands/report-error.ts';
import { standardStreams } from './commands/streams.ts';

startWithoutNodes(process);
// By default, Node starts a debugger on the first. Without that and without handlers, each would
// end the process, though other programs take it as a harmless request, such as for a new log file.
for (const name of ['SIGUSR1', 'SIGUSR2'] as const) process.on(name, () => undefined);
// Do this at once: a shell that starts the program and ends may send SIGHUP a moment later.
const hangupIsIgnored = isHangupIgnored(originOf(process));
if (hangupIsIgnored) process.on('SIGHUP', () => undefined);

const { stdout, stderr, refusal } = standardStreams(process);
const { env } = process;
const context = { env, stdout, stderr, clock: systemClock, helpAll: false, hangupIsIgnored };

const code = runCommandLine(process.argv.slice(2), COMMANDS, context);
void code.then((value) => {
  const error = refusal();
  // The requested output was not written, so the command failed.
  process.exitCode = value === 0 && error !== undefined ? reportError(error, context) : value;
});
