import type { Direction, Hook } from '../loader/hook.ts';
import type { ProcessView } from '../loader/owner.ts';
import { hasMadeQdisc, isNamed, isProvablyGone, type Owner, parseOwner } from '../loader/owner.ts';
import type { Chain } from './chain-reader.ts';
import { CLSACT_EGRESS, CLSACT_INGRESS, type TcFilter } from './traffic-control.ts';

/** Distinguishes our hooks from others'. */
export interface Ours {
  /** Ids of our programs. */
  readonly programs: ReadonlySet<number>;
  /** Name of our TC filters. */
  readonly owner: string;
}

/** A program or filter before ours, or before its future place: it may decide without us. */
export interface Ahead {
  readonly direction: Direction;
  readonly by: 'tcx' | 'tc';
  /** Id of its program; 0: it has none. */
  readonly program: number;
  readonly what: string;
}

export interface Findings {
  /** Others' programs and filters, as text. */
  readonly strangers: readonly string[];
  /** Our hooks that are there. */
  readonly present: readonly Pick<Hook, 'direction' | 'mode'>[];
  readonly ahead: readonly Ahead[];
  /** Filters of captures that ended without removing them. */
  readonly leftOvers: readonly TcFilter[];
}

const DIRECTIONS = ['ingress', 'egress'] as const;
const PARENTS = { ingress: CLSACT_INGRESS, egress: CLSACT_EGRESS } as const;
/** Reads all that others leave with a packet, where our marks are (sch_dsmark, before 6.3). */
const READS_MARKS = 'dsmark';

/** The consequences of a chain for our hooks. Pure, except for the look at processes. */
export function judgeChain(chain: Chain, ours: Ours, processes: ProcessView): Findings {
  const strangers: string[] = [];
  const present: Pick<Hook, 'direction' | 'mode'>[] = [];
  const ahead: Ahead[] = [];
  const leftOvers: TcFilter[] = [];
  for (const direction of DIRECTIONS) {
    const programs = chain.tcx[direction];
    const own = programs.findIndex((id) => ours.programs.has(id));
    if (own >= 0) present.push({ direction, mode: 'tcx' });
    const others = programs.filter((id) => !ours.programs.has(id));
    strangers.push(...others.map((id) => nameOf(id, direction)));
    const before = own < 0 ? programs.at(-1) : programs[own - 1];
    if (before !== undefined) {
      ahead.push({ direction, by: 'tcx', program: before, what: nameOf(before, direction) });
    }
  }
  for (const filter of chain.filters) {
    const direction = DIRECTIONS.find((one) => PARENTS[one] === filter.parent);
    const what = `TC filter ${filter.name || filter.kind} at ${direction ?? 'a qdisc'}`;
    if (direction !== undefined && isOurs(filter, ours)) present.push({ direction, mode: 'tc' });
    else if (direction !== undefined && isLeftOver(filter, processes)) leftOvers.push(filter);
    else strangers.push(what);
  }
  ahead.push(...filtersAhead(chain.filters, ours, processes));
  for (const { kind } of chain.qdiscs) {
    if (kind === READS_MARKS) strangers.push(`qdisc ${kind}`);
  }
  return { strangers, present, ahead, leftOvers };
}

function nameOf(program: number, direction: Direction): string {
  return `TCX program #${program} at ${direction}`;
}

/** The kernel lists filters in the order in which they run. */
function filtersAhead(
  filters: readonly TcFilter[],
  ours: Ours,
  processes: ProcessView,
): readonly Ahead[] {
  return DIRECTIONS.flatMap((direction): readonly Ahead[] => {
    const here = filters.filter(({ parent }) => parent === PARENTS[direction]);
    const others = here.filter((one) => !isLeftOver(one, processes));
    const own = others.findIndex((one) => isOurs(one, ours));
    const before = others[own - 1];
    if (before === undefined) return [];
    const what = `TC filter ${before.name || before.kind} at ${direction}`;
    return [{ direction, by: 'tc', program: before.program, what }];
  });
}

function isOurs({ name, program }: TcFilter, ours: Ours): boolean {
  return isNamed(name, ours.owner) && ours.programs.has(program);
}

function isLeftOver({ kind, name }: TcFilter, processes: ProcessView): boolean {
  const owner: Owner | undefined = kind === 'bpf' ? parseOwner(name) : undefined;
  return owner !== undefined && isProvablyGone(owner, processes);
}

/** Filters whose maker created the qdisc go last, together with the qdisc. */
export function inOrderOfRemoval(leftOvers: readonly TcFilter[]): readonly TcFilter[] {
  return [...leftOvers].sort((a, b) => Number(hasMadeQdisc(a.name)) - Number(hasMadeQdisc(b.name)));
}
