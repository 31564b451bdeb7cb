import type { Writable } from 'node:stream';
import type { ArgumentsCamelCase, Argv } from 'yargs';
import type { Clock } from '../base/clock.ts';

/** A command's access to the outside world; only `main.ts` touches the real one. */
export interface CommandContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The command's result. Everything else, progress and logs included, goes to `stderr`. */
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number | undefined };
  readonly stderr: Writable & {
    readonly isTTY?: boolean;
    readonly columns?: number | undefined;
    /** Writes that the stream did not take. */
    readonly lost?: number;
  };
  readonly clock: Clock;
  /** The program must survive the end of the terminal: see `hangup.ts`. */
  readonly hangupIsIgnored?: boolean;
  /** `--help-all` was given: describe every option, not just the common ones. */
  readonly helpAll: boolean;
}

/** Parsed flags by their kebab-case names. Values are unchecked text: `readConfig` types them. */
export type Flags = ArgumentsCamelCase<Record<string, unknown>>;

/**
 * One subcommand. Its file is imported only when it is run or its help is shown, so a file here may
 * import anything without making `netobserv version` slower.
 */
export interface Command {
  /** Declares flags, positionals and examples. */
  builder(yargs: Argv, context: CommandContext): Argv;
  /**
   * Resolves when the command is done, to the exit code if it is not 0. An error that it throws is
   * shown as one line with its code.
   */
  handler(flags: Flags, context: CommandContext): Promise<number | undefined>;
}

/** The part of a command that `netobserv --help` shows without importing it. */
export interface CommandEntry {
  /** With positionals, as yargs writes them: `completion <shell>`. */
  readonly usage: string;
  readonly describe: string;
  readonly load: () => Promise<Command>;
}
