import yargs, { type Argv } from 'yargs';
import { hasCode, NetobservError } from '../base/errors.ts';
import { closest } from '../base/suggest.ts';
import { buildFacts } from './build-facts.ts';
import type { CommandContext, CommandEntry, Flags } from './command.ts';
import { COMMAND_ERRORS } from './errors.ts';
import { EXIT, EXIT_MEANINGS } from './exit-codes.ts';
import { reportError } from './report-error.ts';

/** Maximum length of help lines, also on wider terminals. */
const HELP_COLUMNS_MAX = 100;

/** The parser's result; it runs afterwards, outside of the parser's own error handling. */
interface Invocation {
  run?: () => Promise<number | undefined>;
  /** Flags of the current command, for suggestions. */
  flags: readonly string[];
}

/** Runs one command line; resolves to the exit code once the command is done. */
export async function runCommandLine(
  args: readonly string[],
  entries: readonly CommandEntry[],
  context: CommandContext,
): Promise<number> {
  const invocation: Invocation = { flags: [] };
  const told = { ...context, helpAll: args.includes('--help-all') };
  const given = args.map((arg) => (arg === '--help-all' ? '--help' : arg));
  try {
    const parser = createParser(entries, told, invocation);
    const text = await parse(parser, given.length === 0 ? ['--help'] : given, entries, invocation);
    // Help, the version and completions arrive as text, and no command runs.
    if (text === '') return (await invocation.run?.()) ?? 0;
    context.stdout.write(`${text}\n`);
    return 0;
  } catch (error) {
    return reportError(error, context);
  }
}

function createParser(
  entries: readonly CommandEntry[],
  context: CommandContext,
  invocation: Invocation,
): Argv {
  const parser = yargs()
    .scriptName('netobserv')
    .locale('en')
    .usage('netobserv <command> [options]\n\nSee what the network of this host does.')
    .parserConfiguration({
      'camel-case-expansion': false,
      'dot-notation': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
    })
    .wrap(Math.min(HELP_COLUMNS_MAX, context.stdout.columns ?? HELP_COLUMNS_MAX))
    .version(buildFacts().version)
    .help()
    .alias('help', 'h')
    .example('sudo netobserv up', 'capture this host; the console is on http://127.0.0.1:9001')
    .example('netobserv up --help', 'options of a command')
    .epilogue(`Exit codes: ${exitCodes()}.`)
    .exitProcess(false)
    .strict()
    .demandCommand(1, 1, 'no command given')
    .fail((message, error) => {
      throw error ?? new NetobservError(COMMAND_ERRORS.usage, message);
    });
  for (const entry of entries) addCommand(parser, entry, context, invocation);
  return parser;
}

function exitCodes(): string {
  const names = Object.keys(EXIT) as (keyof typeof EXIT)[];
  return names.map((name) => `${EXIT[name]} ${EXIT_MEANINGS[name]}`).join(', ');
}

function addCommand(
  parser: Argv,
  entry: CommandEntry,
  context: CommandContext,
  invocation: Invocation,
): void {
  parser.command({
    command: entry.usage,
    describe: entry.describe,
    builder: async (sub: Argv) => {
      const { builder } = await entry.load();
      const built = builder(
        sub.version(false).usage(`netobserv ${entry.usage} [options]\n\n${entry.describe}.`),
        context,
      );
      invocation.flags = declaredFlags(built);
      neverCacheHelp(built);
      return built;
    },
    handler: (flags: Flags) => {
      invocation.run = async () => (await entry.load()).handler(flags, context);
    },
  });
}

// Public in yargs, yet absent from its types.
function declaredFlags(parser: Argv): readonly string[] {
  const { key } = (
    parser as Argv & { getOptions(): { key: Record<string, unknown> } }
  ).getOptions();
  return Object.keys(key);
}

/**
 * yargs lays out the help of every command that it runs, for callers that print it afterwards. None
 * does here, and it takes a third of the time from an agent's start to its first packet.
 */
function neverCacheHelp(parser: Argv): void {
  const { getInternalMethods } = parser as Argv & {
    getInternalMethods(): { getUsageInstance(): { cacheHelpMessage: () => void } };
  };
  getInternalMethods.call(parser).getUsageInstance().cacheHelpMessage = () => undefined;
}

async function parse(
  parser: Argv,
  args: readonly string[],
  entries: readonly CommandEntry[],
  invocation: Invocation,
): Promise<string> {
  let output = '';
  try {
    await parser.parseAsync([...args], {}, (_error, _argv, text) => {
      output = text;
    });
  } catch (error) {
    const commands = entries.map(({ usage }) => usage.split(' ')[0]!);
    throw suggest(error, args, commands, invocation.flags);
  }
  return output;
}

// yargs only names the unknown word; a person wants the known word that is closest to it.
function suggest(
  error: unknown,
  args: readonly string[],
  commands: readonly string[],
  flags: readonly string[],
): unknown {
  // Some mistakes bypass the parser's own hook for them.
  const isMistake = hasCode(error, COMMAND_ERRORS.usage);
  if (!(error instanceof Error) || !(isMistake || error.name === 'YError')) return error;
  const words = /^Unknown (?:argument|command)s?: (.+)$/.exec(error.message)?.[1];
  const named = words?.split(', ').map((word) => {
    // Flags are named without their dashes, positionals as they were typed.
    const [dashes, known] = args.includes(word) ? ['', commands] : ['--', flags];
    const meant = closest(word, known);
    return dashes + word + (meant === undefined ? '' : `, did you mean ${dashes}${meant}?`);
  });
  const message = named === undefined ? error.message : `unknown argument ${named.join('; ')}`;
  return new NetobservError(COMMAND_ERRORS.usage, message, {
    details: { next: 'See netobserv --help.' },
  });
}
