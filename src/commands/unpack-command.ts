import { resolve } from 'node:path';
import { unpackAll } from './assets.ts';
import type { Command } from './command.ts';

/** For images with a read-only root at run time: fills the cache folder at build time. */
export const unpack: Command = {
  builder: (yargs) =>
    yargs
      .positional('folder', {
        type: 'string',
        describe: 'where to, for a start with NETOBSERV_CACHE_DIR of the same value',
      })
      .epilogue('Without a folder, it is that of NETOBSERV_CACHE_DIR, or else a private one.'),

  async handler({ folder }, { env, stdout }) {
    const to = typeof folder === 'string' ? { NETOBSERV_CACHE_DIR: resolve(folder) } : {};
    stdout.write(`${unpackAll({ ...env, ...to })}\n`);
  },
};
