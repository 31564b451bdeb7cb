import { NetobservError } from '../base/errors.ts';
import { shown } from '../base/shown.ts';
import { closest } from '../base/suggest.ts';
import { CONFIG_ERRORS } from './errors.ts';
import type { Configured, Option, OptionTable } from './options.ts';

/** A configuration file is small; anything larger is a mistake such as a wrong path. */
export const CONFIG_FILE_MAX_BYTES = 1 << 20;

/** A key of a configuration file, with its value as written in the environment. */
export interface FileEntry {
  readonly key: string;
  /** Undefined if no option takes a value of this shape; `problem` describes it. */
  readonly text: string | undefined;
  readonly problem: string | undefined;
  /** `netobserv.yaml:12:9`, for messages. */
  readonly where: string;
}

/** The sources of values. Flags win over the environment, which wins over the file. */
export interface ConfigSources {
  readonly file?: readonly FileEntry[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Parsed flags by name (`cache-max-flows`), as yargs returns them; other keys are ignored. */
  readonly flags: Readonly<Record<string, unknown>>;
}

/** Deprecated environment variables, each with its replacement. */
export type Deprecations = Readonly<Record<string, string>>;

export interface LoadedConfig<Table extends OptionTable> {
  readonly config: Configured<Table>;
  /** For the log: deprecated names and the like. */
  readonly warnings: readonly string[];
  /** Keys of the table with a given value instead of the default. */
  readonly given: ReadonlySet<keyof Table>;
}

/** A text and its origin, for messages: `--sampling`, `file.yaml:3:1 sampling`. */
interface Given {
  readonly text: string;
  readonly origin: string;
}

/**
 * The flag for an environment variable; it is also the option's key in a file. Options that
 * `netobserv-ebpf-agent` lacks have a prefix in the environment only: `NETOBSERV_DATA` is `--data`.
 * So have those of the informers of flowlogs-pipeline.
 */
export function flagName(option: Pick<Option<unknown>, 'env'>): string {
  return option.env
    .replace(/^(NETOBSERV|FLP_INFORMERS)_/, '')
    .toLowerCase()
    .replaceAll('_', '-');
}

/**
 * Merges defaults, file, environment and flags. Throws `CONFIG_ERRORS.invalid` with a line for each
 * problem: the place, the value and the expected form. The empty text means the default.
 */
export function loadConfig<Table extends OptionTable>(
  table: Table,
  sources: ConfigSources,
  deprecations: Deprecations = {},
): LoadedConfig<Table> {
  const issues: string[] = [];
  const warnings: string[] = [];
  const layers = [
    takeEntries(table, sources.file ?? [], issues),
    readEnvironment(table, sources.env, deprecations, warnings),
    readFlags(table, sources.flags, issues),
  ];

  const config: Record<string, unknown> = {};
  const given = new Set<keyof Table>();
  for (const [key, option] of Object.entries(table)) {
    config[key] = valueOfDefault(option);
    // Every layer is parsed, so that a wrong value is reported even where a later layer wins.
    for (const layer of layers) {
      const value = layer.get(option.env);
      if (value?.text === '' && option.isNeverEmpty === true) {
        issues.push(`${value.origin}: given, but empty: leave it out, or give ${option.wanted}`);
      }
      if (value === undefined || value.text === '') continue;
      const parsed = option.parse(value.text);
      if (parsed === undefined) {
        const problems = option.problems?.(value.text) ?? [
          `${quote(value.text)} is not ${option.wanted}`,
        ];
        issues.push(...problems.map((problem) => `${value.origin}: ${problem}`));
        continue;
      }
      config[key] = parsed;
      given.add(key);
    }
  }
  if (issues.length > 0) {
    const lines = issues.map((issue) => (issues.length > 1 ? `\n  ${issue}` : ` ${issue}`));
    throw new NetobservError(CONFIG_ERRORS.invalid, `wrong configuration:${lines.join('')}`, {
      details: { issues },
    });
  }
  return { config: config as Configured<Table>, warnings, given };
}

// Parsers never get the empty text: only lists and texts have an empty default.
function valueOfDefault(option: Option<unknown>): unknown {
  if (option.fallback !== '') return option.parse(option.fallback);
  return option.type === 'list' ? [] : option.type === 'string' ? '' : undefined;
}

function takeEntries(
  table: OptionTable,
  entries: readonly FileEntry[],
  issues: string[],
): Map<string, Given> {
  const layer = new Map<string, Given>();
  const byFlag = new Map(Object.values(table).map((option) => [flagName(option), option]));
  for (const entry of entries) {
    const option = byFlag.get(entry.key);
    if (option === undefined) {
      const meant = closest(entry.key, byFlag.keys());
      const hint = meant === undefined ? '' : `, did you mean "${meant}"?`;
      issues.push(`${entry.where}: unknown key "${entry.key}"${hint}`);
    } else if (entry.text === undefined) {
      issues.push(`${entry.where} ${entry.key}: ${entry.problem}; wanted ${option.wanted}`);
    } else {
      layer.set(option.env, { text: entry.text, origin: `${entry.where} ${entry.key}` });
    }
  }
  return layer;
}

function readEnvironment(
  table: OptionTable,
  env: ConfigSources['env'],
  deprecations: Deprecations,
  warnings: string[],
): Map<string, Given> {
  const layer = new Map<string, Given>();
  // Old names go first, so that the new name wins where both are set.
  for (const [old, replacement] of Object.entries(deprecations)) {
    const text = env[old];
    if (text === undefined || text === '') continue;
    layer.set(replacement, { text, origin: `environment variable ${old}` });
    warnings.push(`environment variable ${old} is deprecated: use ${replacement}`);
  }
  for (const { env: name, parse, wanted, otherwise, isNeverEmpty } of Object.values(table)) {
    const text = env[name];
    if (text === undefined || (text === '' && isNeverEmpty !== true)) continue;
    const origin = `environment variable ${name}`;
    if (otherwise !== undefined && parse(text) === undefined) {
      warnings.push(`${origin}: ${quote(text)} is not ${wanted}: taken as ${otherwise}`);
      layer.set(name, { text: otherwise, origin });
    } else {
      layer.set(name, { text, origin });
    }
  }
  return layer;
}

function readFlags(
  table: OptionTable,
  flags: ConfigSources['flags'],
  issues: string[],
): Map<string, Given> {
  const layer = new Map<string, Given>();
  for (const option of Object.values(table)) {
    const name = flagName(option);
    const value = flags[name];
    if (value === undefined) continue;
    const origin = `--${name}`;
    if (Array.isArray(value) && option.type !== 'list') {
      issues.push(`${origin}: given ${value.length} times, once is enough`);
      continue;
    }
    // A flag without a value (`--enable-rtt`) arrives as the empty text.
    const text = option.type === 'boolean' && value === '' ? 'true' : String(value);
    layer.set(option.env, { text, origin });
  }
  return layer;
}

function quote(text: string): string {
  return JSON.stringify(shown(text));
}
