import { styleText } from 'node:util';
import { AGENT_ERRORS } from '../agent/errors.ts';
import { explain, NetobservError } from '../base/errors.ts';
import { ConfigError } from '../config/errors.ts';
import { PIPELINE_ERRORS } from '../pipeline/errors.ts';
import { readHostFile } from './capabilities.ts';
import type { CommandContext } from './command.ts';
import { CommandError } from './errors.ts';
import { openFilesAdvice } from './open-files.ts';

/** Mistakes of whoever typed the command, as opposed to failures of the system. */
const USAGE_CODES: ReadonlySet<string> = new Set([
  CommandError.usage,
  ConfigError.invalid,
  ConfigError.file,
  AGENT_ERRORS.option,
  AGENT_ERRORS.unsupported,
  ...Object.values(PIPELINE_ERRORS),
]);

/**
 * Tells a person what went wrong: message, code, and `details.next` (what to do) on its own line.
 * The stack is for bugs: it is shown for errors that nobody coded, and with LOG_LEVEL=debug.
 * Returns the exit code: 2 for a mistake on the command line or in the configuration, 1 otherwise.
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
  return code !== undefined && USAGE_CODES.has(code) ? 2 : 1;
}

function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
