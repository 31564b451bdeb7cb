import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { ROOT } from '../source-tree.ts';

/** How the program is started: from source, or as the packed executable. */
export type Flavour = 'source' | 'packed';

/** The flavour for tests that accept both: `NETOBSERV_FLAVOUR=packed` is the executable. */
function chosenFlavour(): Flavour {
  return process.env.NETOBSERV_FLAVOUR === 'packed' ? 'packed' : 'source';
}

export interface Program {
  readonly child: ChildProcess;
  /** Everything printed so far, on both streams. */
  readonly output: () => string;
  /** Resolves with the first match in the output; rejects if the program ends without one. */
  waitFor(pattern: RegExp): Promise<RegExpExecArray>;
  /** Resolves with the exit code or signal when it has ended by itself. */
  end(): Promise<number | NodeJS.Signals | null>;
  /** Ends it by SIGTERM, or at once by SIGKILL. */
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<number | NodeJS.Signals | null>;
}

export interface StartOptions {
  /** Default: from NETOBSERV_FLAVOUR. */
  readonly flavour?: Flavour;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /**
   * Command that runs its arguments, instead of the program: `args` begin with the program's path.
   */
  readonly command?: readonly string[];
  /** Default: its standard input is empty. */
  readonly stdin?: 'pipe';
}

export const EXECUTABLE = join(ROOT, 'dist', 'netobserv');

/** Command line of the program, before its arguments. */
export function programCommand(flavour: Flavour = chosenFlavour()): readonly string[] {
  const source = [join(ROOT, 'node_modules', '.bin', 'node'), join(ROOT, 'src', 'main.ts')];
  return flavour === 'packed' ? [EXECUTABLE] : source;
}

export function startProgram(args: readonly string[], options: StartOptions = {}): Program {
  const own = options.command ?? programCommand(options.flavour);
  const [command, ...rest] = [...own, ...args];
  const child = spawn(command!, rest, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: [options.stdin ?? 'ignore', 'pipe', 'pipe'],
  });
  let text = '';
  const listeners = new Set<() => void>();
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
      for (const listener of listeners) listener();
    });
  }
  let ended = false;
  const end = once(child, 'close').then(() => {
    ended = true;
    for (const listener of listeners) listener();
    return child.exitCode ?? child.signalCode;
  });

  return {
    child,
    output: () => text,
    waitFor(pattern) {
      return new Promise((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(text);
          if (match === null && !ended) return;
          listeners.delete(look);
          if (match !== null) resolve(match);
          else reject(new Error(`ended without ${pattern}:\n${text}`));
        };
        listeners.add(look);
        look();
      });
    },
    end: () => end,
    stop(signal = 'SIGTERM') {
      child.kill(signal);
      return end;
    },
  };
}

/** Runs the program to its end. */
export async function runProgram(
  args: readonly string[],
  options: StartOptions = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const { child } = startProgram(args, options);
  let stdout = '';
  let stderr = '';
  child.stdout!.on('data', (piece: string) => {
    stdout += piece;
  });
  child.stderr!.on('data', (piece: string) => {
    stderr += piece;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

/** The console's address, once `netobserv up` has reported that everything runs. */
export async function consoleAddress(program: Program): Promise<string> {
  const [, address] = await program.waitFor(/netobserv is up: (\S+)/);
  return address!;
}

/** A port that nobody listens on, for options that do not accept a port of the kernel's choice. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
