import { describe, expect, test } from 'vitest';
import { hookFact } from '../../../../src/agent/drain/layout.gen.ts';
import { type BirthSpace, findBirths } from '../../../../src/agent/interfaces/births.ts';
import type { Link } from '../../../../src/agent/interfaces/link.ts';

type Fields = Partial<Link> & Pick<Link, 'index'>;

/** A namespace; `numbers` holds the number by which it knows each other namespace. */
class Space implements BirthSpace {
  readonly links: ReadonlyMap<number, Link>;
  readonly numbers = new Map<Space, number>();
  readonly #hooked: ReadonlySet<number>;
  readonly #direction: 'ingress' | 'egress' | 'both';

  constructor(links: readonly Fields[], hooked?: readonly number[], direction = 'both' as const) {
    const rest = { name: '', type: 1, up: true, mac: '', addresses: [] };
    const none = { peer: -1, driver: '', link: 0, master: 0 };
    this.links = new Map(links.map((link) => [link.index, { ...rest, ...none, ...link }]));
    this.#hooked = new Set(hooked ?? links.map(({ index }) => index));
    this.#direction = direction;
  }

  hooksOf = (index: number): { ingress: boolean; egress: boolean } | undefined => {
    if (!this.#hooked.has(index)) return undefined;
    return { ingress: this.#direction !== 'egress', egress: this.#direction !== 'ingress' };
  };

  isKnownAs(id: number, from: Space): boolean {
    return from.numbers.get(this) === id;
  }
}

/** Per interface: `i` if incoming packets are born there, `e` if outgoing packets are. */
function births(...spaces: Space[]): string[][] {
  return birthsWhere(false, spaces);
}

function birthsWhere(readsTunnels: boolean, spaces: readonly Space[]): string[][] {
  const found = spaces.map((): string[] => []);
  const tell = (space: Space, index: number, facts: number): void => {
    const ingress = (facts & hookFact.bornIngress) !== 0 ? 'i' : '';
    const egress = (facts & hookFact.bornEgress) !== 0 ? 'e' : '';
    found[spaces.indexOf(space)]!.push(`${index}${ingress}${egress}`);
  };
  findBirths(spaces, tell, { readsTunnels });
  return found;
}

const LOOPBACK = { index: 1, type: 772 };

describe('where packets are born', () => {
  test.each<[string, Fields[], number[] | undefined, string[]]>([
    ['hardware', [{ index: 2 }], undefined, ['2ie']],
    ['loopback: what comes in has gone out there', [LOOPBACK], undefined, ['1e']],
    ['a process’s end', [{ index: 2, driver: 'tun' }], undefined, ['2ie']],
    [
      'a tunnel whose other end is elsewhere, beside one that the kernel has made',
      [
        { index: 2, driver: 'ipip' },
        { index: 3, driver: 'ipip', up: false },
      ],
      [2],
      ['2ie'],
    ],
    ['a driver that nobody knows', [{ index: 2, driver: 'odd0' }], undefined, ['2e']],
    [
      'a pair in one namespace',
      [
        { index: 2, driver: 'veth', link: 3 },
        { index: 3, driver: 'veth', link: 2 },
      ],
      undefined,
      ['2e', '3e'],
    ],
    [
      'a pair of netkit, of which one end has hooks',
      [
        { index: 2, driver: 'netkit', link: 3 },
        { index: 3, driver: 'netkit', link: 2 },
      ],
      [3],
      ['3ie'],
    ],
    [
      'a pair whose other end has no hook',
      [
        { index: 2, driver: 'veth', link: 3 },
        { index: 3, driver: 'veth', link: 2 },
      ],
      [2],
      ['2ie'],
    ],
    [
      'a bridge and its port',
      [
        { index: 2, driver: 'bridge' },
        { index: 3, master: 2 },
      ],
      undefined,
      ['2e', '3i'],
    ],
    [
      'a bridge without hooks on its ports',
      [
        { index: 2, driver: 'bridge' },
        { index: 3, master: 2 },
      ],
      [2],
      ['2ie'],
    ],
    [
      'a port of a bridge without hooks',
      [
        { index: 2, driver: 'bridge' },
        { index: 3, master: 2 },
      ],
      [3],
      ['3ie'],
    ],
    [
      'a port of a switch that nobody knows',
      [
        { index: 2, driver: 'openvswitch' },
        { index: 3, master: 2 },
      ],
      undefined,
      ['2e', '3i'],
    ],
    [
      'bonds and their ports',
      [
        { index: 2, driver: 'bond' },
        { index: 3, master: 2 },
        { index: 4, master: 2 },
      ],
      undefined,
      ['2e', '3i', '4i'],
    ],
    [
      'VLANs on hardware',
      [{ index: 2 }, { index: 3, driver: 'vlan', link: 2 }],
      undefined,
      ['2i', '3e'],
    ],
    ['a VLAN alone', [{ index: 2 }, { index: 3, driver: 'vlan', link: 2 }], [3], ['3ie']],
    [
      'the lower interface of a VLAN alone',
      [{ index: 2 }, { index: 3, driver: 'vlan', link: 2 }],
      [2],
      ['2ie'],
    ],
    [
      'siblings hand packets to each other',
      [
        { index: 2 },
        { index: 3, driver: 'macvlan', link: 2 },
        { index: 4, driver: 'macvlan', link: 2 },
      ],
      [3, 4],
      ['3e', '4e'],
    ],
  ])('%s', (_why, links, hooked, wanted) => {
    expect(births(new Space(links, hooked))).toEqual([wanted]);
  });

  /** A host and two containers whose interfaces have the same numbers. */
  function containers(watched: boolean): Space[] {
    const host = new Space([
      { index: 2 },
      { index: 7, driver: 'veth', link: 2, peer: 0 },
      { index: 8, driver: 'veth', link: 2, peer: 1 },
    ]);
    const insides = [7, 8].map(
      (link) => new Space([{ index: 2, driver: 'veth', link, peer: 5 }], watched ? [2] : []),
    );
    for (const [at, inside] of insides.entries()) {
      host.numbers.set(inside, at);
      inside.numbers.set(host, 5);
    }
    return [host, ...insides];
  }

  test('the other end of a pair is found in its namespace, by that namespace’s number', () => {
    expect(births(...containers(true))).toEqual([['2ie', '7e', '8e'], ['2e'], ['2e']]);
    expect(births(...containers(false))).toEqual([['2ie', '7ie', '8ie'], [], []]);
  });

  /** The same containers, with hooks on their own interfaces and on these of the host. */
  function insidesAnd(...hooked: number[]): Space[] {
    const [host, ...insides] = containers(true) as [Space, Space, Space];
    const some = new Space([...host.links.values()], hooked);
    for (const [inside, number] of host.numbers) {
      some.numbers.set(inside, number);
      inside.numbers.set(some, 5);
    }
    return [some, ...insides];
  }

  test('what comes from the uplink, or from another container, is not born in a container', () => {
    expect(births(...insidesAnd(2))).toEqual([['2ie'], ['2e'], ['2e']]);
    expect(births(...insidesAnd())).toEqual([[], ['2e'], ['2e']]);
  });

  test('what comes to the only container that has hooks is born there', () => {
    const [host, first, second] = insidesAnd() as [Space, Space, Space];
    const unwatched = new Space([...second.links.values()], []);
    host.numbers.delete(second);
    host.numbers.set(unwatched, 1);
    unwatched.numbers.set(host, 5);
    expect(births(host, first, unwatched)).toEqual([[], ['2ie'], []]);
  });

  test.each<[string, Fields[]]>([
    ['a VLAN', [{ index: 3, driver: 'vlan', link: 2 }]],
    ['a bridge', [{ index: 3, driver: 'bridge' }]],
    [
      'a VLAN of a VLAN',
      [
        { index: 4, driver: 'vlan', link: 2 },
        { index: 3, driver: 'vlan', link: 4 },
      ],
    ],
  ])('%s on a pair, with hooks at both ends and none on the pair', (_what, uppers) => {
    const master = uppers[0]!.driver === 'bridge' ? 3 : 0;
    const wire = { index: 2, driver: 'veth', link: 2, peer: 1, master };
    const ends = [new Space([wire, ...uppers], [3]), new Space([wire, ...uppers], [3])] as const;
    ends[0].numbers.set(ends[1], 1);
    ends[1].numbers.set(ends[0], 1);
    expect(births(...ends)).toEqual([['3e'], ['3e']]);
    // If only one end is known, nobody else can have counted its incoming packets.
    const silent = new Space([wire, ...uppers], []);
    ends[0].numbers.set(silent, 1);
    silent.numbers.set(ends[0], 1);
    expect(births(ends[0], silent)).toEqual([['3ie'], []]);
  });

  test('a bridge with a tunnel among its ports', () => {
    const links = [
      { index: 2, driver: 'bridge' },
      { index: 3, driver: 'vxlan', master: 2 },
    ];
    // The tunnel's other end is elsewhere, or may also be here.
    expect(births(new Space(links, [2]))).toEqual([['2ie']]);
    const other = new Space([{ index: 2, driver: 'vxlan' }], []);
    expect(births(new Space(links, [2]), other)).toEqual([['2e'], []]);
  });

  test('interfaces that are said to be on top of each other are nowhere born', () => {
    const links = [
      { index: 2, driver: 'vlan', link: 3 },
      { index: 3, driver: 'vlan', link: 2 },
    ];
    expect(births(new Space(links, [2]))).toEqual([['2e']]);
  });

  test('a tunnel: inner packets may be this host’s where there are two ends', () => {
    const ends = [1, 2].map(() => new Space([{ index: 2, driver: 'vxlan' }]));
    expect(births(...ends)).toEqual([['2e'], ['2e']]);
    expect(births(...ends, new Space([{ index: 2, driver: 'geneve' }]))[2]).toEqual(['2ie']);
  });

  test('a tunnel: hooks that look into it have counted what comes out', () => {
    expect(birthsWhere(true, [new Space([{ index: 2, driver: 'vxlan' }])])).toEqual([['2e']]);
  });

  test('a bond sends the packets of one flow by several ports, a bridge does not', () => {
    const shared: number[] = [];
    const space = new Space([
      { index: 2, driver: 'bond' },
      { index: 3, driver: 'veth', master: 2 },
      { index: 4, driver: 'bridge' },
      { index: 5, driver: 'veth', master: 4 },
    ]);
    const tell = (_space: Space, index: number, facts: number): void => {
      if ((facts & hookFact.sharesFlows) !== 0) shared.push(index);
    };
    findBirths([space], tell, { readsTunnels: false });
    expect(shared).toEqual([3]);
  });

  test('numbers alone are no proof', () => {
    const [host, first, second] = containers(true) as [Space, Space, Space];
    host.numbers.set(first, 9);
    expect(births(host, first, second)[0]).toEqual(['2ie', '7ie', '8e']);
  });

  test('what is on top of an interface may be in another namespace', () => {
    const host = new Space([{ index: 2 }]);
    const inside = new Space([{ index: 2, driver: 'ipvlan', link: 2, peer: 3 }]);
    inside.numbers.set(host, 3);
    expect(births(host, inside)).toEqual([['2i'], ['2e']]);
    expect(births(host)).toEqual([['2ie']]);
    expect(births(inside)).toEqual([['2ie']]);
  });
});
