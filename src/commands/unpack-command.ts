import { unpackAll } from './assets.ts';
import type { Command } from './command.ts';

/** For images whose root is read-only when they run: fills the cache folder at build time. */
export const unpack: Command = {
  builder: (yargs) =>
    yargs.epilogue('NETOBSERV_CACHE_DIR names the folder; without it a private one is chosen.'),

  async handler(_flags, { env, stdout }) {
    stdout.write(`${unpackAll(env)}\n`);
  },
};
