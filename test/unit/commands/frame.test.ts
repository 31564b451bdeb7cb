import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, expect, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { NetobservError } from '../../../src/base/errors.ts';
import type { Command, CommandEntry } from '../../../src/commands/command.ts';
import { runCommandLine } from '../../../src/commands/frame.ts';
import { addOptions, readConfig } from '../../../src/commands/options.ts';
import { COMMANDS } from '../../../src/commands/registry.ts';
import { flag, integer, list, structured } from '../../../src/config/options.ts';
import { errorRow } from '../../support/error-row.ts';

const folder = mkdtempSync(join(tmpdir(), 'netobserv-frame-'));
afterAll(() => rmSync(folder, { recursive: true }));

const TABLE = {
  sampling: integer('SAMPLING', 0, 'one packet in so many', { min: 0, max: 1000 }),
  interfaces: list('INTERFACES', '', 'these'),
  rtt: flag('ENABLE_RTT', false, 'round trips'),
  rules: structured('RULES', 'a list of numbers', (text) =>
    /^\[[\d,]*\]$/.test(text.trim())
      ? { value: JSON.parse(text) as number[] }
      : { problems: ['rule 1 is no number', 'rule 2 is none, either'] },
  ),
};

/** Prints its configuration, or fails on demand. */
const probe: Command = {
  builder: (yargs, context) => addOptions(yargs, TABLE, ['sampling'], context),
  async handler(flags, context) {
    const { config } = await readConfig(TABLE, flags, context);
    if (config.sampling === 13)
      throw new NetobservError(errorRow('ERR_PORT_IN_USE'), 'port is in use');
    if (config.sampling === 14) throw new TypeError('a bug');
    context.stdout.write(JSON.stringify(config));
  },
};
const ENTRIES: readonly CommandEntry[] = [
  { usage: 'probe', describe: 'Probe', load: async () => probe },
];

async function cli(
  args: readonly string[],
  env: Record<string, string> = {},
  entries = ENTRIES,
): Promise<{ code: number; out: string; err: string }> {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const code = await runCommandLine(args, entries, {
    env,
    stdout,
    stderr,
    clock: systemClock,
    helpAll: false,
  });
  return { code, out: String(stdout.read() ?? ''), err: String(stderr.read() ?? '') };
}

test('flags, environment and file meet in the handler', async () => {
  const path = join(folder, 'netobserv.yaml');
  writeFileSync(path, 'sampling: 5\ninterfaces: [eth0]\n');
  const args = ['probe', '--config', path, '--sampling', '007', '--enable-rtt'];
  const { code, out, err } = await cli(args, { INTERFACES: 'a,b' });
  expect(err).toBe('');
  expect(code).toBe(0);
  expect(JSON.parse(out)).toEqual({ sampling: 7, interfaces: ['a', 'b'], rtt: true });
});

test('a value with parts may be in a file, or in the file of all options', async () => {
  const rules = join(folder, 'rules.json');
  writeFileSync(rules, '[1,2]\n');
  const config = join(folder, 'rules.yaml');
  writeFileSync(config, 'rules: [{a: 1}]\n');
  const ofFlag = await cli(['probe', '--rules', `@${rules}`]);
  expect(JSON.parse(ofFlag.out)).toMatchObject({ rules: [1, 2] });
  const ofVariable = await cli(['probe'], { RULES: `@${rules}` });
  expect(JSON.parse(ofVariable.out)).toMatchObject({ rules: [1, 2] });
  // As JSON, with its location.
  const ofConfig = await cli(['probe', '--config', config]);
  expect(ofConfig.err).toContain('rules.yaml:1:1 rules: rule 1 is no number');
});

test.each([
  [['prob'], 'unknown argument prob, did you mean probe?'],
  [['probe', '--samplin', '1'], 'unknown argument --samplin, did you mean --sampling?'],
  [['probe', '--wibble'], 'unknown argument --wibble'],
  [['probe', 'extra'], 'unknown argument extra'],
  [['probe', '--sampling'], 'Not enough arguments following: sampling'],
  [['probe', '--sampling', 'x'], '--sampling: "x" is not a whole number from 0 to 1000'],
  [['probe', '--rules', '[x]'], '--rules: rule 2 is none, either'],
  [['probe', '--rules', '@/nowhere/rules'], 'cannot read --rules /nowhere/rules'],
  [['probe', '--config', '/nowhere/n.yaml'], 'cannot read --config /nowhere/n.yaml'],
  [['--wibble'], 'no command given'],
])('%j is a usage error that says what would be right', async (args, message) => {
  const { code, out, err } = await cli(args);
  expect(err).toMatch(/^error: /);
  expect(err).toContain(message);
  expect(err).not.toContain('    at ');
  expect(out).toBe('');
  expect(code).toBe(2);
});

test('a coded error is one line without a stack, unless LOG_LEVEL=debug', async () => {
  const args = ['probe', '--sampling', '13'];
  expect(await cli(args)).toEqual({
    code: 1,
    out: '',
    err: 'error: port is in use [ERR_PORT_IN_USE]\n',
  });
  expect((await cli(args, { LOG_LEVEL: 'debug' })).err).toContain('    at ');
});

test('an error that nobody coded is a bug and shows its stack', async () => {
  const { code, err } = await cli(['probe', '--sampling', '14']);
  expect(code).toBe(1);
  expect(err).toContain('error: a bug\n');
  expect(err).toContain('    at ');
});

test('help describes common options, lists the others, and --help-all describes all', async () => {
  const short = (await cli(['probe', '--help'])).out;
  expect(short).toContain('one packet in so many');
  expect(short).not.toContain('round trips');
  expect(short).toContain('--enable-rtt');
  const long = (await cli(['probe', '--help-all'])).out;
  expect(long).toContain('round trips');
});

test('without arguments the commands are listed', async () => {
  const { code, out } = await cli([], {}, COMMANDS);
  expect(code).toBe(0);
  for (const { usage } of COMMANDS) expect(out).toContain(`netobserv ${usage}`);
});

test('the version is text or JSON', async () => {
  expect((await cli(['version'], {}, COMMANDS)).out).toMatch(/^netobserv \d+\.\d+\.\d+ \(/);
  const facts = JSON.parse((await cli(['version', '-o', 'json'], {}, COMMANDS)).out);
  expect(facts).toMatchObject({ node: process.versions.node, commit: 'development' });
});

test.each(['bash', 'zsh', 'fish'])('there is a completion script for %s', async (shell) => {
  const { code, out } = await cli(['completion', shell], {}, COMMANDS);
  expect(code).toBe(0);
  expect(out).toContain('--get-yargs-completions');
});

test('completions name commands and flags', async () => {
  const ask = (...words: string[]) =>
    cli(['--get-yargs-completions', 'netobserv', ...words], { SHELL: '' });
  expect((await ask('')).out).toContain('probe');
  expect((await ask('probe', '--')).out).toContain('--sampling');
});
