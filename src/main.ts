#!/usr/bin/env node
import { systemClock } from './base/clock.ts';
import { runCommandLine } from './commands/frame.ts';
import { COMMANDS } from './commands/registry.ts';

// `netobserv … | head` closes the pipe early; that is no failure. A command that has something to
// undo listens, too, and ends by itself.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  if (process.stdout.listenerCount('error') === 1) process.exit(0);
});

const code = runCommandLine(process.argv.slice(2), COMMANDS, {
  env: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  clock: systemClock,
  helpAll: false,
});
void code.then((value) => {
  process.exitCode = value;
});
