import { buildFacts } from './build-facts.ts';
import type { Command } from './command.ts';

export const version: Command = {
  builder: (yargs) =>
    yargs.option('output', {
      alias: 'o',
      describe: 'How to print it',
      choices: ['text', 'json'],
      default: 'text',
    }),

  async handler(flags, { stdout }) {
    const facts = {
      ...buildFacts(),
      node: process.versions.node,
      platform: `${process.platform}-${process.arch}`,
    };
    if (flags.output === 'json') {
      stdout.write(`${JSON.stringify(facts)}\n`);
      return;
    }
    const built = facts.date === '' ? facts.commit : `${facts.commit}, ${facts.date}`;
    stdout.write(`netobserv ${facts.version} (${built}, node ${facts.node}, ${facts.platform})\n`);
  },
};
