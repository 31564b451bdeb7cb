import { defineErrors } from '../base/errors.ts';

export const COMMAND_ERRORS = defineErrors('ERR', {
  usage: {
    kind: 'usage',
    meaning: 'The command line has an unknown command, flag or positional argument.',
    remedy: 'See "netobserv --help".',
  },
  capabilities: {
    kind: 'permission',
    meaning: 'The process lacks a capability that the kernel requires.',
    remedy: 'Run the program as root or with the capabilities in the message.',
  },
  kernelUnsupported: {
    kind: 'unavailable',
    meaning: 'The kernel lacks something that the eBPF programs need.',
    remedy: 'Use a newer kernel; deploy/reference/kernels.md lists the versions.',
  },
  asset: {
    kind: 'data',
    meaning: 'A file that belongs to the program is missing or damaged.',
    remedy: 'Install the program again or, in a clone, run "npm run build".',
  },
  threadBusy: {
    kind: 'unavailable',
    meaning: 'One thread of the program asks another for more at a time than it answers.',
    remedy: 'Try again shortly.',
  },
  assetCache: {
    kind: 'unavailable',
    meaning: 'There is no folder in which the packed executable can unpack its libraries.',
    remedy: 'Set NETOBSERV_CACHE_DIR to a private folder on a disk that allows executable files.',
  },
});
