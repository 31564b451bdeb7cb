import type { CommandEntry } from './command.ts';

/** Every subcommand, in the order of `netobserv --help`. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    usage: 'up',
    describe: 'Capture this host: keep its flows, show them in the console',
    load: async () => (await import('./up.ts')).up,
  },
  {
    usage: 'doctor',
    describe: 'Tell what this host can capture, and what would be needed for the rest',
    load: async () => (await import('./doctor.ts')).doctor,
  },
  {
    usage: 'agent',
    describe: 'Capture this host and send its flows to a collector',
    load: async () => (await import('./agent.ts')).agent,
  },
  {
    usage: 'processor [action] [file]',
    describe: 'Run a pipeline of stages that takes flows in, enriches and writes them',
    load: async () => (await import('./processor.ts')).processor,
  },
  {
    usage: 'informers',
    describe: 'Read the API of Kubernetes once, for all processors of a cluster',
    load: async () => (await import('./informers.ts')).informers,
  },
  {
    usage: 'version',
    describe: 'Print the version and what it was built from',
    load: async () => (await import('./version.ts')).version,
  },
  {
    usage: 'completion <shell>',
    describe: 'Print the completion script for bash, zsh or fish',
    load: async () => (await import('./completion.ts')).completion,
  },
  {
    usage: 'unpack [folder]',
    describe: 'Unpack the native libraries beforehand, as the first start would',
    load: async () => (await import('./unpack-command.ts')).unpack,
  },
];
