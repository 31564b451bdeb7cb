import { describe, expect, test } from 'vitest';
import { inOrderOfRemoval, judgeChain } from '../../../../src/agent/interfaces/chain.ts';
import type { Chain } from '../../../../src/agent/interfaces/chain-reader.ts';
import {
  CLSACT_EGRESS,
  CLSACT_HANDLE,
  CLSACT_INGRESS,
  type TcFilter,
} from '../../../../src/agent/interfaces/traffic-control.ts';
import { ownerName, type ProcessView } from '../../../../src/agent/loader/owner.ts';

/** Processes by number and start; this one is 100. */
function processes(started: Readonly<Record<number, string>>, pidNamespace = '42'): ProcessView {
  return {
    directory: '/proc',
    hasWitness: () => undefined,
    link: (path) => (path === '/proc/self' ? '100' : `pid:[${pidNamespace}]`),
    read: (path) => {
      const start = started[Number(path.split('/')[2])];
      return start === undefined
        ? undefined
        : `1 (a ) b) S 1 1 1 0 -1 4194560 1 0 0 0 1 1 0 0 20 0 1 0 ${start} 1 1`;
    },
  };
}

const HERE = processes({ 100: '555', 200: '777' });
const OURS = { programs: new Set([10, 11]), owner: ownerName(HERE, 10, 0) };
const NOTHING: Chain = { tcx: { ingress: [], egress: [] }, filters: [], qdiscs: [] };

function filter(fields: Partial<TcFilter>): TcFilter {
  const where = { ifindex: 2, parent: CLSACT_INGRESS, priority: 1, handle: 1 };
  return { ...where, kind: 'bpf', name: '', program: 0, ...fields };
}

function strangers(chain: Partial<Chain>): readonly string[] {
  return judgeChain({ ...NOTHING, ...chain }, OURS, HERE).strangers;
}

describe('a chain', () => {
  test('ours alone', () => {
    const tcx = { ingress: [10], egress: [11] };
    const filters = [
      filter({ name: OURS.owner, program: 10 }),
      filter({ name: `${OURS.owner}:q`, program: 11, parent: CLSACT_EGRESS }),
    ];
    const found = judgeChain({ ...NOTHING, tcx, filters }, OURS, HERE);
    expect(found.present).toEqual([
      { direction: 'ingress', mode: 'tcx' },
      { direction: 'egress', mode: 'tcx' },
      { direction: 'ingress', mode: 'tc' },
      { direction: 'egress', mode: 'tc' },
    ]);
    expect(found).toMatchObject({ strangers: [], ahead: [], leftOvers: [] });
  });

  test.each<[string, Partial<Chain>, readonly string[]]>([
    ['another program', { tcx: { ingress: [10, 12], egress: [] } }, ['TCX program #12 at ingress']],
    ['a filter', { filters: [filter({ kind: 'u32' })] }, ['TC filter u32 at ingress']],
    [
      'a reader of the field, on a queue',
      { filters: [filter({ kind: 'tcindex', parent: 0x10000 })] },
      ['TC filter tcindex at a qdisc'],
    ],
    [
      'a qdisc that reads the field',
      { qdiscs: [{ ifindex: 2, handle: 0x10000, kind: 'dsmark' }] },
      ['qdisc dsmark'],
    ],
    [
      'qdiscs that read nothing',
      {
        qdiscs: [
          { ifindex: 2, handle: CLSACT_HANDLE, kind: 'clsact' },
          { ifindex: 2, handle: 0x10000, kind: 'fq_codel' },
        ],
      },
      [],
    ],
    [
      'a capture that runs: same process namespace',
      { filters: [filter({ name: 'netobserv:200:777:42:9', program: 9 })] },
      ['TC filter netobserv:200:777:42:9 at ingress'],
    ],
    [
      'a capture of which nothing can be told: another process namespace',
      { filters: [filter({ name: 'netobserv:300:1:43:9', program: 9 })] },
      ['TC filter netobserv:300:1:43:9 at ingress'],
    ],
    [
      'our name and not our program: another capture of this process',
      { filters: [filter({ name: OURS.owner, program: 99 })] },
      [`TC filter ${OURS.owner} at ingress`],
    ],
  ])('%s', (_why, chain, wanted) => {
    expect(strangers(chain)).toEqual(wanted);
  });

  test.each<[string, Partial<Chain>, readonly string[]]>([
    [
      'programs before ours',
      { tcx: { ingress: [12, 13, 10], egress: [11, 14] } },
      ['TCX program #13 at ingress'],
    ],
    [
      'programs where ours is yet to come',
      { tcx: { ingress: [12], egress: [] } },
      ['TCX program #12 at ingress'],
    ],
    [
      'a filter before ours, and one behind',
      {
        filters: [
          filter({ kind: 'u32', parent: CLSACT_EGRESS }),
          filter({ name: OURS.owner, program: 11, parent: CLSACT_EGRESS }),
          filter({ kind: 'flower', parent: CLSACT_EGRESS }),
        ],
      },
      ['TC filter u32 at egress'],
    ],
    [
      'what was left behind is no hindrance',
      {
        filters: [
          filter({ name: 'netobserv:300:1:42:9' }),
          filter({ name: OURS.owner, program: 10 }),
        ],
      },
      [],
    ],
  ])('who is before us: %s', (_why, chain, wanted) => {
    const { ahead } = judgeChain({ ...NOTHING, ...chain }, OURS, HERE);
    expect(ahead.map(({ what }) => what)).toEqual(wanted);
  });

  test('left behind: the process is gone, or its number is another’s by now', () => {
    const filters = [
      filter({ name: 'netobserv:300:1:42:9:q', handle: 1 }),
      filter({ name: 'netobserv:200:1:42:9', handle: 2, parent: CLSACT_EGRESS }),
    ];
    const found = judgeChain({ ...NOTHING, filters }, OURS, HERE);
    expect(found.strangers).toEqual([]);
    // The filter that removes the qdisc with it is the last.
    expect(inOrderOfRemoval(found.leftOvers).map(({ handle }) => handle)).toEqual([2, 1]);
  });
});
