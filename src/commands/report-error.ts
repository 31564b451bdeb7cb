import { styleText } from 'node:util';
import { explain, NetobservError } from '../base/errors.ts';
import { readHostFile } from './capabilities.ts';
import type { CommandContext } from './command.ts';
import { EXIT, exitCodeOf } from './exit-codes.ts';
import { openFilesAdvice } from './open-files.ts';

/**
 * Shows an error to a person: message, code and, on its own line, `details.next`, which says what
 * to do. The stack is shown for bugs, which are errors without a code, and with LOG_LEVEL=debug.
 * Returns the exit code.
 */
export function reportError(error: unknown, context: CommandContext): number {
  const { env, stderr } = context;
  const code = codeOf(error);
  const colour = stderr.isTTY === true && (env.NO_COLOR ?? '') === '';
  const word = colour ? styleText('red', 'error:', { validateStream: false }) : 'error:';
  stderr.write(`${word} ${explain(error)}${code === undefined ? '' : ` [${code}]`}\n`);

  const next = error instanceof NetobservError ? error.details.next : undefined;
  if (typeof next === 'string') stderr.write(`${next}\n`);
  const advice = openFilesAdvice(error, readHostFile);
  if (advice !== undefined) stderr.write(`${advice}\n`);

  const verbose = env.LOG_LEVEL === 'debug' || env.LOG_LEVEL === 'trace';
  if ((verbose || code === undefined) && error instanceof Error) stderr.write(`${error.stack}\n`);
  return error instanceof NetobservError ? exitCodeOf(error.kind) : EXIT.failed;
}

function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
