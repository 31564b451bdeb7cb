import type { Row } from './rows.ts';

interface End {
  readonly name: string;
  readonly source: string;
  readonly destination: string;
}

interface Talk {
  /** The source of the first flow. */
  readonly first: string;
  client: string | undefined;
  /** 2: by the initiator, 1: by flags. */
  sureness: number;
  flows: { readonly from: string; readonly row: Row }[];
  lastMs: number;
}

const FORGOTTEN_MS = 300_000;
const [SYN, ACK, SYN_ACK] = [2, 16, 256];

/** Who talks to whom, with an object for everything: the meaning of the stage `matrix`. */
export class MatrixModel {
  readonly #ends: readonly End[];
  readonly #talks = new Map<string, Talk>();
  #startMs: number;

  constructor(ends: readonly End[], startMs: number) {
    this.#ends = ends;
    this.#startMs = startMs;
  }

  flow(row: Row, ms: number): void {
    const [from, to] = [this.#endOf(row, 'source'), this.#endOf(row, 'destination')];
    const key = JSON.stringify([[from, to].sort(), row.Proto]);
    const talk = this.#talks.get(key) ?? {
      ...{ first: from, client: undefined, sureness: 0, flows: [], lastMs: ms },
    };
    this.#talks.set(key, talk);
    talk.flows.push({ from, row });
    talk.lastMs = ms;
    const [sureness, isClient] = opinion(row);
    if (sureness === 0 || sureness < talk.sureness) return;
    talk.sureness = sureness;
    talk.client = isClient ? from : to;
  }

  /** Pairs of the window that ends now, sorted. */
  tick(nowMs: number): readonly Row[] {
    const pairs = new Map<string, Record<string, unknown>>();
    for (const [key, talk] of this.#talks) {
      const [ends, proto] = JSON.parse(key) as [string[], number | undefined];
      const client = talk.client ?? byPort(ends as [string, string], talk.first);
      const server = ends.find((end) => end !== client) ?? client;
      for (const { from, row } of talk.flows) {
        const pair = this.#pairOf(client, server, proto ?? undefined, nowMs);
        const known = pairs.get(JSON.stringify(pair)) ?? { ...pair, ...ZERO };
        pairs.set(JSON.stringify(pair), known);
        // Two equal ends cannot be told apart: all is the first one's.
        const sender = from === client ? 'Client' : 'Server';
        known[`${sender}Bytes`] = Number(known[`${sender}Bytes`]) + Number(row.Bytes ?? 0);
        known[`${sender}Packets`] = Number(known[`${sender}Packets`]) + Number(row.Packets ?? 0);
        known[`${sender}Flows`] = Number(known[`${sender}Flows`]) + 1;
      }
      if (talk.flows.length === 0 && talk.lastMs < nowMs - FORGOTTEN_MS) this.#talks.delete(key);
      talk.flows = [];
    }
    this.#startMs = nowMs;
    return [...pairs.values()];
  }

  #endOf(row: Row, side: 'source' | 'destination'): string {
    const port = side === 'source' ? row.SrcPort : row.DstPort;
    return JSON.stringify([this.#ends.map((end) => row[end[side]] ?? null), port ?? null]);
  }

  #pairOf(client: string, server: string, Proto: number | undefined, nowMs: number): Row {
    const [clients] = JSON.parse(client) as [unknown[], number | null];
    const [servers, port] = JSON.parse(server) as [unknown[], number | null];
    const names = this.#ends.flatMap(({ name }, at) => [
      [`Client${name}`, clients[at]],
      [`Server${name}`, servers[at]],
    ]);
    const times = { TimeFlowStartMs: this.#startMs, TimeFlowEndMs: nowMs };
    const all = { ...Object.fromEntries(names), ServerPort: port, Proto, ...times };
    return Object.fromEntries(
      Object.entries(all).filter(([, value]) => value !== null && value !== undefined),
    );
  }
}

const ZERO = {
  ...{ ClientBytes: 0, ClientPackets: 0, ClientFlows: 0 },
  ...{ ServerBytes: 0, ServerPackets: 0, ServerFlows: 0 },
};

/** How sure a flow is about who opened its conversation, and whether it is its source. */
function opinion({ Initiator, Flags, Proto }: Row): readonly [number, boolean] {
  if (Initiator === 1 || Initiator === 2) return [2, Initiator === 1];
  if (Proto !== 6 || typeof Flags !== 'number') return [0, false];
  if ((Flags & SYN_ACK) !== 0) return [1, false];
  return (Flags & SYN) !== 0 && (Flags & ACK) === 0 ? [1, true] : [0, false];
}

/** The client by ports. */
function byPort([one, other]: readonly [string, string], first: string): string {
  const port = (end: string): number | null => (JSON.parse(end) as [unknown, number | null])[1];
  const [left, right] = [port(one), port(other)];
  if (left === null || right === null || left === right) return first;
  return left > right ? one : other;
}
