/** Network namespaces in which processes run, by inode, each with its oldest process. */
export type Residents = ReadonlyMap<number, number>;

/** Namespaces without a name that are watched: each costs three descriptors. */
export const RESIDENTS_MAX = 1024;
/**
 * Of these, those of one user. Anybody may make namespaces (user_namespaces(7)), and must not take
 * the room of others by it. Root's are as many as there is room for: most containers are.
 */
export const USER_RESIDENTS_MAX = 256;
/**
 * Interfaces that get hooks in all namespaces of one user together. The kernel lets nobody change
 * interfaces while a hook comes or goes, some 15 ms each, two on an interface.
 */
export const USER_INTERFACES_MAX = 256;

export const ROOT = 0;
/** In place of a user who cannot be told: all of those are one. */
export const NOBODY_KNOWS = -1;

export interface ResidentsQuestion {
  readonly residents: Residents;
  /** Users by the inode of their namespace. */
  readonly owners: ReadonlyMap<number, number>;
  /** Those that have a name are watched for that, whatever is chosen here. */
  readonly named: ReadonlySet<number>;
}

export interface ResidentsChoice {
  readonly residents: Residents;
  /** How many were left out, by user. */
  readonly leftOut: ReadonlyMap<number, number>;
}

/**
 * Which of the namespaces without a name are watched: of each user the oldest ones, and each user's
 * first before anybody's second, so that a full house never keeps somebody's first one out.
 */
export function chooseResidents({ residents, owners, named }: ResidentsQuestion): ResidentsChoice {
  const chosen = new Map<number, number>();
  const waiting = new Map<number, number[]>();
  for (const [inode, pid] of residents) {
    if (named.has(inode)) {
      chosen.set(inode, pid);
      continue;
    }
    const owner = owners.get(inode) ?? NOBODY_KNOWS;
    const queue = waiting.get(owner) ?? [];
    waiting.set(owner, queue);
    queue.push(inode);
  }
  for (const inode of inTurns(waiting)) chosen.set(inode, residents.get(inode)!);
  const leftOut = new Map<number, number>();
  for (const [owner, queue] of waiting) {
    const count = queue.filter((inode) => !chosen.has(inode)).length;
    if (count > 0) leftOut.set(owner, count);
  }
  return { residents: chosen, leftOut };
}

/** Those that there is room for: one of each user before the second of any. */
function* inTurns(waiting: ReadonlyMap<number, readonly number[]>): Generator<number> {
  let room = RESIDENTS_MAX;
  for (let round = 0; ; round++) {
    const before = room;
    for (const [owner, queue] of waiting) {
      const inode = queue[round];
      if (inode === undefined || (owner !== ROOT && round >= USER_RESIDENTS_MAX)) continue;
      if (room-- === 0) return;
      yield inode;
    }
    if (room === before) return;
  }
}

/** Room for the hooked interfaces of one user. */
export interface InterfaceRoom {
  /** False: there is none, and nothing was taken. */
  take(): boolean;
  give(): void;
}

export class InterfaceRooms {
  readonly #taken = new Map<number, number>();

  of(owner: number): InterfaceRoom {
    const most = owner === ROOT ? Number.POSITIVE_INFINITY : USER_INTERFACES_MAX;
    return {
      take: () => {
        const taken = this.#taken.get(owner) ?? 0;
        if (taken >= most) return false;
        this.#taken.set(owner, taken + 1);
        return true;
      },
      give: () => {
        const left = (this.#taken.get(owner) ?? 0) - 1;
        if (left > 0) this.#taken.set(owner, left);
        else this.#taken.delete(owner);
      },
    };
  }
}
