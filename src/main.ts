#!/usr/bin/env node
import { systemClock } from './base/clock.ts';
import { runCommandLine } from './commands/frame.ts';
import { COMMANDS } from './commands/registry.ts';

// `netobserv … | head` closes the pipe early; that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
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
