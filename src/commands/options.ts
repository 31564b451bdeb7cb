import { createReadStream } from 'node:fs';
import type { Argv } from 'yargs';
import { NetobservError } from '../base/errors.ts';
import { CONFIG_ERRORS } from '../config/errors.ts';
import {
  CONFIG_FILE_MAX_BYTES,
  type Deprecations,
  type FileEntry,
  flagName,
  type LoadedConfig,
  loadConfig,
} from '../config/load.ts';
import type { Option, OptionTable } from '../config/options.ts';
import type { CommandContext, Flags } from './command.ts';

/**
 * Declares a table's options as flags, and `--config`. `--help` describes those of `common` and
 * lists only the names of the others, so that it fits on a screen; `--help-all` describes them.
 */
export function addOptions<Table extends OptionTable>(
  yargs: Argv,
  table: Table,
  common: readonly (keyof Table)[],
  context: CommandContext,
): Argv {
  const others: string[] = [];
  for (const [key, option] of Object.entries(table)) {
    const name = flagName(option);
    const hidden = !context.helpAll && !common.includes(key);
    if (hidden) others.push(name);
    yargs.option(name, {
      describe: describeOption(option),
      hidden,
      // Undeclared types keep the text as typed; a bare boolean flag means true.
      ...(option.type === 'boolean' ? {} : { requiresArg: true }),
      ...(option.fallback === '' ? {} : { defaultDescription: option.fallback }),
    });
  }
  yargs.option('config', {
    describe: 'YAML or JSON file with the same options: "sampling: 50"',
    requiresArg: true,
  });
  const source =
    'Flags win over environment variables (--cache-max-flows is CACHE_MAX_FLOWS), \
these over --config.';
  const more = `More options, described by --help-all:\n${wrapWords(familiesOf(others))}`;
  return yargs.epilogue(others.length === 0 ? source : `${more}\n\n${source}`);
}

function describeOption(option: Option<unknown>): string {
  if (option.choices === undefined) return option.describe;
  return `${option.describe}: ${option.choices.join(', ')}`;
}

/** Minimum of flags with the same first word to list as one, `--kafka-*`. */
const FAMILY_MIN = 3;

function familiesOf(names: readonly string[]): readonly string[] {
  const firstWord = (name: string): string => name.split('-', 1)[0]!;
  const families = Map.groupBy(names, firstWord);
  const listed = names.map((name) =>
    families.get(firstWord(name))!.length < FAMILY_MIN ? `--${name}` : `--${firstWord(name)}-*`,
  );
  return [...new Set(listed)];
}

const HELP_LINE_CHARS = 98;

function wrapWords(words: readonly string[]): string {
  const lines: string[] = [];
  let line = '';
  for (const word of words) {
    if (line !== '' && line.length + word.length + 3 > HELP_LINE_CHARS) {
      lines.push(line);
      line = '';
    }
    line += line === '' ? `  ${word}` : ` ${word}`;
  }
  return [...lines, line].join('\n');
}

/** Merges the defaults of a table with `--config FILE`, the environment and the flags. */
export async function readConfig<Table extends OptionTable>(
  table: Table,
  flags: Flags,
  context: CommandContext,
  deprecations: Deprecations = {},
): Promise<LoadedConfig<Table>> {
  const file = typeof flags.config === 'string' ? await readEntries(flags.config) : [];
  const env = { ...context.env };
  const given = { ...flags };
  for (const option of Object.values(table).filter(({ type }) => type === 'json')) {
    await putFile(env, option.env, option.env);
    await putFile(given, flagName(option), `--${flagName(option)}`);
  }
  return loadConfig(table, { file, env, flags: given }, deprecations);
}

/** Loads the YAML parser only when there is a file. */
async function readEntries(path: string): Promise<readonly FileEntry[]> {
  const text = await readText(path);
  const { readConfigFile } = await import('../config/file.ts');
  return readConfigFile(path, text);
}

/** Structured values may be in a file, `@PATH`. */
async function putFile(
  values: Record<string, unknown>,
  key: string,
  origin: string,
): Promise<void> {
  const value = values[key];
  if (typeof value !== 'string' || !value.startsWith('@')) return;
  values[key] = await readText(value.slice(1), origin);
}

/** The text of a configuration file. Throws `CONFIG_ERRORS.file`. */
export async function readText(path: string, origin = '--config'): Promise<string> {
  const pieces: Buffer[] = [];
  try {
    // Reads at most one byte more than allowed: a device would never end.
    const stream = createReadStream(path, { end: CONFIG_FILE_MAX_BYTES });
    for await (const piece of stream) pieces.push(piece as Buffer);
  } catch (cause) {
    throw new NetobservError(CONFIG_ERRORS.file, `cannot read ${origin} ${path}`, { cause });
  }
  const bytes = Buffer.concat(pieces);
  if (bytes.length <= CONFIG_FILE_MAX_BYTES) return bytes.toString('utf8');
  throw new NetobservError(
    CONFIG_ERRORS.file,
    `${origin} ${path} is larger than ${CONFIG_FILE_MAX_BYTES} bytes: is it the right file?`,
  );
}
