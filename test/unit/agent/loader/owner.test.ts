import { expect, test } from 'vitest';
import {
  isNamed,
  isProvablyGone,
  ownerName,
  type ProcessView,
  parseOwner,
} from '../../../../src/agent/loader/owner.ts';

const STAT = 'S 1 1 1 0 -1 4194560 1 0 0 0 1 1 0 0 20 0 1 0';

function view(
  processes: Readonly<Record<number, string>>,
  pidNamespace = '42',
  witnesses?: readonly number[],
): ProcessView {
  return {
    directory: '/proc',
    hasWitness: (id) => witnesses?.includes(id),
    link: (path) => ({ '/proc/self': '100', '/proc/self/ns/pid': `pid:[${pidNamespace}]` })[path],
    read(path) {
      const started = processes[Number(path.split('/')[2])];
      // Names of processes may contain any character.
      return started === undefined ? undefined : `100 (a) (b c) ${STAT} ${started} 0 0`;
    },
  };
}

test('the name tells the process, its start, and the namespace of its number', () => {
  const name = ownerName(view({ 100: '555' }), 7, 9);
  expect(name).toBe('netobserv:100:555:42:7:9');
  const owner = { pid: 100, started: '555', pidNamespace: '42' };
  expect(parseOwner(name)).toEqual({ ...owner, witness: 9 });
  expect(parseOwner(`${name}:q`)).toEqual(parseOwner(name));
  expect([name, `${name}:q`, `${name}1`].map((one) => isNamed(one, name))).toEqual([
    true,
    true,
    false,
  ]);
});

test.each(['', 'flow_ingress_l2:[9]', 'netobserv', 'netobserv:x:1:2:3', 'other:1:2:3:4'])(
  'not ours: %s',
  (name) => expect(parseOwner(name)).toBeUndefined(),
);

test.each([
  ['it runs', 'netobserv:200:777:42:7', { 200: '777' }, false],
  ['nobody has its number', 'netobserv:200:777:42:7', {}, true],
  ['another one has its number', 'netobserv:200:777:42:7', { 200: '778' }, true],
  ['its number is of another namespace', 'netobserv:200:777:43:7', {}, false],
  ['it did not know its number', 'netobserv:0:0:42:7', {}, false],
])('%s', (_why, name, processes, gone) => {
  expect(isProvablyGone(parseOwner(name)!, view(processes))).toBe(gone);
});

test.each([
  ['is there, in another container', 'netobserv:200:777:43:7:9', [9], false],
  ['is gone, in another container', 'netobserv:200:777:43:7:9', [], true],
  ['is gone, by an earlier name of the filter', 'netobserv:200:777:43:7:q', [], false],
  ['is not shown, in another container', 'netobserv:200:777:43:7:9', undefined, false],
  ['is not shown, nor the process there', 'netobserv:200:777:42:7:9', undefined, true],
])('what only the process holds %s', (_why, name, witnesses, gone) => {
  expect(isProvablyGone(parseOwner(name)!, view({}, '42', witnesses))).toBe(gone);
});

test('where the own namespace is not known, nobody is gone', () => {
  expect(isProvablyGone(parseOwner('netobserv:200:777::7')!, view({}, ''))).toBe(false);
});
