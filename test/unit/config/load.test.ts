import { expect, test } from 'vitest';
import { NetobservError } from '../../../src/base/errors.ts';
import { CONFIG_ERRORS } from '../../../src/config/errors.ts';
import { readConfigFile } from '../../../src/config/file.ts';
import { type ConfigSources, loadConfig } from '../../../src/config/load.ts';
import { choice, duration, flag, integer, list, path, text } from '../../../src/config/options.ts';

const TABLE = {
  sampling: integer('SAMPLING', 0, 'One packet in so many', { min: 0, max: 1000 }),
  timeoutMs: duration('CACHE_ACTIVE_TIMEOUT', '5s', 'How long'),
  exclude: list('EXCLUDE_INTERFACES', 'lo', 'Not these'),
  interfaces: list('INTERFACES', '', 'These'),
  rtt: flag('ENABLE_RTT', false, 'Round trips'),
  direction: choice('DIRECTION', ['both', 'ingress', 'egress'], 'both', 'Which way'),
  mode: choice('MODE', ['tcx', 'tc', 'any'], 'tcx', 'How', { otherwise: 'any' }),
  host: text('TARGET_HOST', '', 'Where to'),
};
const DEPRECATIONS = { FLOWS_TARGET_HOST: 'TARGET_HOST' };

function load(sources: Partial<ConfigSources>) {
  return loadConfig(TABLE, { env: {}, flags: {}, ...sources }, DEPRECATIONS);
}

function issuesOf(sources: Partial<ConfigSources>): unknown {
  try {
    load(sources);
  } catch (error) {
    expect(error).toBeInstanceOf(NetobservError);
    expect(error).toHaveProperty('code', CONFIG_ERRORS.invalid.code);
    return (error as NetobservError).details.issues;
  }
  return undefined;
}

const file = (source: string) => readConfigFile('n.yaml', source);

test('without sources every option has its default', () => {
  const { config, given, warnings } = load({});
  expect(config).toEqual({
    sampling: 0,
    timeoutMs: 5000,
    exclude: ['lo'],
    interfaces: [],
    rtt: false,
    direction: 'both',
    mode: 'tcx',
    host: '',
  });
  expect(given.size).toBe(0);
  expect(warnings).toEqual([]);
});

test.each<[string, Partial<ConfigSources>, number]>([
  ['file over default', { file: file('sampling: 1') }, 1],
  ['environment over file', { file: file('sampling: 1'), env: { SAMPLING: '2' } }, 2],
  ['flag over environment', { env: { SAMPLING: '2' }, flags: { sampling: '3' } }, 3],
  [
    'the empty environment variable is none',
    { file: file('sampling: 1'), env: { SAMPLING: '' } },
    1,
  ],
  ['null in a file is the default', { file: file('sampling:') }, 0],
])('%s', (_why, sources, wanted) => {
  expect(load(sources).config.sampling).toBe(wanted);
});

test('a file may be YAML or JSON, with lists, comments and anchors', () => {
  const yaml = load({
    file: file(
      '# mine\ncache-active-timeout: 500ms\ninterfaces: [eth0, /^br-/]\nenable-rtt: true\n',
    ),
  });
  expect(yaml.config).toMatchObject({ timeoutMs: 500, interfaces: ['eth0', '/^br-/'], rtt: true });
  const json = load({ file: file('{"sampling": 50, "exclude-interfaces": ["lo", "docker0"]}') });
  expect(json.config).toMatchObject({ sampling: 50, exclude: ['lo', 'docker0'] });
  const anchored = load({ file: file('interfaces: &a [x]\nexclude-interfaces: *a\n') });
  expect(anchored.config.exclude).toEqual(['x']);
});

test.each([
  ['--enable-rtt', '', true],
  ['--enable-rtt=false', 'false', false],
  ['--no-enable-rtt', false, false],
])('%s', (_why, value, wanted) => {
  const env = { ENABLE_RTT: String(!wanted) };
  expect(load({ env, flags: { 'enable-rtt': value } }).config.rtt).toBe(wanted);
});

test('a list flag may be repeated', () => {
  expect(load({ flags: { interfaces: ['a', 'b,c'] } }).config.interfaces).toEqual(['a', 'b', 'c']);
});

test('everything that is wrong is told at once, with place, value and what would be right', () => {
  const issues = issuesOf({
    file: file('sampling: 5\n\nsamplin: 7\ndirection: up\ninterfaces: ["a,b"]\n'),
    env: { CACHE_ACTIVE_TIMEOUT: '5 parsecs' },
    flags: { 'enable-rtt': 'perhaps', sampling: ['1', '2'] },
  });
  expect(issues).toEqual([
    'n.yaml:3:1: unknown key "samplin", did you mean "sampling"?',
    'n.yaml:5:1 interfaces: an item of a list must not contain a comma; ' +
      'wanted a comma-separated list',
    '--sampling: given 2 times, once is enough',
    'environment variable CACHE_ACTIVE_TIMEOUT: "5 parsecs" is not ' +
      'a duration such as 500ms, 5s or 1m30s',
    '--enable-rtt: "perhaps" is not true or false',
    'n.yaml:4:1 direction: "up" is not one of both, ingress, egress',
  ]);
});

test('a wrong value is reported although a later source wins', () => {
  expect(issuesOf({ env: { SAMPLING: 'many' }, flags: { sampling: '1' } })).toEqual([
    'environment variable SAMPLING: "many" is not a whole number from 0 to 1000',
  ]);
});

test.each([
  ['SAMPLING: 1', 'sampling'],
  ['cacheActiveTimeout: 1s', 'cache-active-timeout'],
])('another spelling of a key is named: %s', (source, wanted) => {
  expect(issuesOf({ file: file(source) })).toEqual([
    `n.yaml:1:1: unknown key "${source.split(':')[0]}", did you mean "${wanted}"?`,
  ]);
});

test('a deprecated variable still works, warns, and loses against the new one', () => {
  const old = load({ env: { FLOWS_TARGET_HOST: 'a' } });
  expect(old.config.host).toBe('a');
  expect(old.warnings).toEqual([
    'environment variable FLOWS_TARGET_HOST is deprecated: use TARGET_HOST',
  ]);
  expect(load({ env: { FLOWS_TARGET_HOST: 'a', TARGET_HOST: 'b' } }).config.host).toBe('b');
});

test('a long wrong value is shortened in the message', () => {
  const issues = issuesOf({ env: { SAMPLING: 'x'.repeat(5000) } });
  expect(JSON.stringify(issues).length).toBeLessThan(300);
});

test.each([
  ['a: [1', 'n.yaml:1:6'],
  ['- sampling', 'n.yaml:1:1'],
  ['sampling: 1\nsampling: 2', 'n.yaml:2:1'],
  ['sampling: 1\n---\nsampling: 2', 'n.yaml:2:1'],
  ['#'.repeat((1 << 20) + 1), 'n.yaml is larger'],
])('a file that is no configuration is refused with its place', (source, where) => {
  expect(() => load({ file: file(source) })).toThrow(where);
});

test('where any other word has a meaning, the environment is only warned of it', () => {
  const { config, warnings } = load({ env: { MODE: 'tcxx' } });
  expect(config.mode).toBe('any');
  expect(warnings).toEqual([
    'environment variable MODE: "tcxx" is not one of tcx, tc, any: taken as any',
  ]);
  expect(issuesOf({ flags: { mode: 'tcxx' } })).toEqual([
    '--mode: "tcxx" is not one of tcx, tc, any',
  ]);
});

test.each([
  ['a flag', { flags: { 'token-file': '' } }, '--token-file'],
  [
    'a variable',
    { env: { NETOBSERV_TOKEN_FILE: '' } },
    'environment variable NETOBSERV_TOKEN_FILE',
  ],
  ['a file', { file: file('token-file: ""') }, 'n.yaml:1:1 token-file'],
])('a path that is given by %s, but empty, is a mistake', (_by, sources, where) => {
  const table = { tokenFile: path('NETOBSERV_TOKEN_FILE', 'With the token') };
  const load = () => loadConfig(table, { env: {}, flags: {}, ...sources });
  expect(load).toThrow(
    expect.objectContaining({
      code: CONFIG_ERRORS.invalid.code,
      message: expect.stringContaining(where),
    }),
  );
  expect(load).toThrow('leave it out, or give the path of a file');
  expect(loadConfig(table, { env: {}, flags: {} }).config.tokenFile).toBe('');
});
