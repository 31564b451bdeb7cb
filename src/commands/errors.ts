/** Codes of errors that are the commands' own. */
export const CommandError = {
  /** The command line itself is wrong: unknown command, flag or positional. Exit code 2. */
  usage: 'ERR_USAGE',
  /** The process lacks a capability that the kernel asks for. */
  capabilities: 'ERR_CAPABILITIES',
  /** The kernel lacks what the datapath needs. */
  kernel: 'ERR_KERNEL_UNSUPPORTED',
  /** A file that belongs to the program is missing or not what was built. */
  asset: 'ERR_ASSET',
  /** One thread asks another for more at a time than it answers. */
  busy: 'ERR_THREAD_BUSY',
  /** No folder in which the packed executable may unpack its libraries. */
  cache: 'ERR_ASSET_CACHE',
} as const;
