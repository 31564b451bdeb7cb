import { expect, test } from 'vitest';
import { isHangupIgnored, type Origin } from '../../../src/commands/hangup.ts';

interface Given {
  readonly env?: Origin['env'];
  readonly ignored?: string;
  readonly stdin?: string;
  readonly flags?: string;
}

function origin({ env = {}, ignored, stdin = '/dev/pts/0', flags = '0100002' }: Given): Origin {
  const files: Readonly<Record<string, string>> = {
    ...(ignored === undefined
      ? {}
      : { '/proc/7/status': `SigBlk:\t0000000000000001\nSigIgn:\t${ignored}\nSigCgt:\t0001\n` }),
    '/proc/self/fdinfo/0': `pos:\t0\nflags:\t${flags}\nmnt_id:\t30\n`,
  };
  return {
    env,
    ppid: 7,
    read: (path) => files[path],
    link: (path) => (path === '/proc/self/fd/0' ? stdin : undefined),
  };
}

test.each<[string, boolean, Given]>([
  ['a shell', false, { env: { _: '/usr/bin/netobserv' }, ignored: '0000000000384004' }],
  ['a parent that nobody may look at', false, {}],
  ['a parent that ignores it', true, { ignored: '0000000000000001' }],
  ['a parent that ignores it and others', true, { ignored: '0000000000384007' }],
  ['a parent that ignores SIGINT', false, { ignored: '0000000000000002' }],
  ['nohup, by bash or zsh', true, { env: { _: '/usr/bin/nohup' } }],
  ['sudo nohup', true, { env: { SUDO_COMMAND: '/usr/bin/nohup /opt/netobserv up' } }],
  ['sudo', false, { env: { SUDO_COMMAND: '/opt/netobserv up --data nohup' } }],
  ['nohup, on a terminal', true, { stdin: '/dev/null', flags: '0100001' }],
  ['</dev/null', false, { stdin: '/dev/null', flags: '0100000' }],
  ['a closed standard input', false, { stdin: '/dev/null', flags: '0100002' }],
  ['a file as standard input that is written to', false, { stdin: '/tmp/x', flags: '0100001' }],
])('%s: is the hangup to be survived? %s', (_, expected, given) => {
  expect(isHangupIgnored(origin(given))).toBe(expected);
});
