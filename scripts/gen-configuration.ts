import { agentDeprecations, agentOptions } from '../src/agent/config.ts';
import { informersOptions } from '../src/commands/informers/options.ts';
import { processorOptions } from '../src/commands/processor/options.ts';
import { upOptions } from '../src/commands/up/options.ts';
import { flagName } from '../src/config/load.ts';
import type { Option, OptionTable } from '../src/config/options.ts';
import { consoleOptions } from '../src/console/options.ts';
import type { GeneratedFile } from './generated.ts';
import { code, table } from './markdown.ts';

const INTRODUCTION = `
<!-- Generated from option tables by scripts/gen-configuration.ts; do not edit. -->

# Configuration

Every option is a flag, an environment variable and a key of the file given with \`--config\`
(YAML or JSON, keys as the flags without \`--\`). A flag wins over the environment, which wins over
the file. An empty value means the default; for \`--token-file\`, \`--tls-cert-file\` and
\`--tls-key-file\` it is an error.`.trimStart();

/** Tables by heading, in the order of the page. */
const TABLES: readonly (readonly [title: string, table: OptionTable])[] = [
  ['Agent', agentOptions],
  ['Console', consoleOptions],
  ['Everything on one host', without(upOptions, { ...agentOptions, ...consoleOptions })],
  ['Processor', without(processorOptions, agentOptions)],
  ['Informers', informersOptions],
];

function without(options: OptionTable, others: OptionTable): OptionTable {
  return Object.fromEntries(Object.entries(options).filter(([key]) => !(key in others)));
}

/** deploy/reference/configuration.gen.md: all options. */
export function generateConfigurationReference(): GeneratedFile {
  const sections = TABLES.map(
    ([title, options]) =>
      `## ${title}\n\n${table(
        ['Flag', 'Environment', 'Type', 'Default', 'Meaning'],
        Object.values(options).map(optionRow),
      )}`,
  );
  const old = Object.entries(agentDeprecations).map(([from, to]) => [code(from), code(to)]);
  const renamed = `## Old names\n\nStill read, with a warning.\n\n${table(['Old', 'New'], old)}`;
  const text = [INTRODUCTION, ...sections, renamed].join('\n\n');
  return { path: 'deploy/reference/configuration.gen.md', text: `${text}\n` };
}

function optionRow(option: Option<unknown>): readonly string[] {
  const choices = option.choices === undefined ? '' : `: ${option.choices.map(code).join(', ')}`;
  return [
    code(`--${flagName(option)}`),
    code(option.env),
    option.type + choices,
    code(option.fallback),
    option.describe,
  ];
}
