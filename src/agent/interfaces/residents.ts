/** Network namespaces in which processes run, by inode, each with its oldest process. */
export type Residents = ReadonlyMap<number, number>;

/** Namespaces without a name that are watched: each costs three descriptors. */
export const RESIDENTS_MAX = 1024;
/**
 * Limit of these for one user. Anybody may create namespaces (user_namespaces(7)), and must not
 * take the room of others with them. Root has only the total limit: most containers are root's.
 */
export const USER_RESIDENTS_MAX = 256;
/**
 * Interfaces with hooks in all namespaces of one user together. The kernel lets nobody change
 * interfaces while a hook is attached or detached, some 15 ms each, two on an interface.
 */
export const USER_INTERFACES_MAX = 256;

export const ROOT = 0;
/** Stands for all users who cannot be identified. */
export const NOBODY_KNOWS = -1;

export interface ResidentsQuestion {
  readonly residents: Residents;
  /** Users by the inode of their namespace. */
  readonly owners: ReadonlyMap<number, number>;
  /** Namespaces with a name are watched for that, independently of this choice. */
  readonly named: ReadonlySet<number>;
}

export interface ResidentsChoice {
  readonly residents: Residents;
  /** How many were left out, by user. */
  readonly leftOut: ReadonlyMap<number, number>;
}

/**
 * Chooses the namespaces without a name to watch: each user's oldest ones, and each user's first
 * before anybody's second, so that a full set never excludes a user's first one.
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

/** The namespaces that fit, in order: one of each user before the second of any. */
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
  /** False: there is no room, and nothing was taken. */
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
