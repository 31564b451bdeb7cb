import type { Row } from './rows.ts';

/** Options of the stage, as written, with all defaults filled in. */
export interface ConntrackConfig {
  readonly keyDefinition: {
    readonly fieldGroups: readonly { readonly name: string; readonly fields: readonly string[] }[];
    readonly hash: {
      readonly fieldGroupRefs: readonly string[];
      readonly fieldGroupARef?: string;
      readonly fieldGroupBRef?: string;
    };
  };
  readonly outputRecordTypes: readonly string[];
  readonly outputFields: readonly {
    readonly name: string;
    readonly operation: string;
    readonly splitAB?: boolean;
    readonly input?: string;
  }[];
  /** Seconds, and `s`. */
  readonly scheduling: readonly {
    readonly selector?: Readonly<Record<string, unknown>>;
    readonly endConnectionTimeout: string;
    readonly terminatingTimeout: string;
    readonly heartbeatInterval: string;
  }[];
  readonly maxConnectionsTracked?: number;
  readonly tcpFlags?: {
    readonly fieldName: string;
    readonly detectEndConnection?: boolean;
    readonly swapAB?: boolean;
  };
}

interface Connection {
  readonly hash: string;
  readonly keys: Row;
  readonly side: bigint | undefined;
  readonly results: Record<string, unknown>;
  readonly times: ConntrackConfig['scheduling'][number];
  expiryMs: number;
  heartbeatMs: number;
  isTerminating: boolean;
  isReported: boolean;
}

const FIN = 0x01;
const SYN_ACK = 0x100;

/** FNV-1a of 64 bits. */
export function fnv64(bytes: Uint8Array): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash;
}

function fnvOfHashes(hashes: readonly bigint[]): bigint {
  const bytes = new DataView(new ArrayBuffer(hashes.length * 8));
  for (const [index, hash] of hashes.entries()) bytes.setBigUint64(index * 8, hash);
  return fnv64(new Uint8Array(bytes.buffer));
}

/** Connections as objects in a map: the meaning of the stage `conntrack`. */
export class ConntrackModel {
  readonly #config: ConntrackConfig;
  readonly #connections = new Map<string, Connection>();

  constructor(config: ConntrackConfig) {
    this.#config = config;
  }

  get size(): number {
    return this.#connections.size;
  }

  /** Records that a flow leads to. */
  flow(row: Row, nowMs: number): readonly Row[] {
    const records: Row[] = [];
    const isTracked = [6, 17, 132].includes(row.Proto as number);
    const { hash, a, b } = this.#hashes(row);
    if (isTracked && !row.Duplicate) {
      const known = this.#connections.get(hash);
      const connection = known ?? this.#add(row, hash, a, b, nowMs);
      if (connection !== undefined) {
        this.#update(connection, row, a, nowMs);
        if (known === undefined) records.push(...this.#record(connection, 'newConnection'));
      }
    }
    if (this.#config.outputRecordTypes.includes('flowLog')) {
      records.push({ ...row, _RecordType: 'flowLog', ...(isTracked && { _HashId: hash }) });
    }
    return records;
  }

  tick(nowMs: number): readonly Row[] {
    const ended = this.#end(({ expiryMs }) => expiryMs <= nowMs);
    const beats = [...this.#connections.values()].flatMap((connection) => {
      if (connection.isTerminating || connection.heartbeatMs > nowMs) return [];
      connection.heartbeatMs = nowMs + msOf(connection.times.heartbeatInterval);
      return this.#record(connection, 'heartbeat');
    });
    return [...ended, ...beats];
  }

  flush(): readonly Row[] {
    return this.#end(() => true);
  }

  #end(isOver: (connection: Connection) => boolean): readonly Row[] {
    return [...this.#connections.values()].filter(isOver).flatMap((connection) => {
      this.#connections.delete(connection.hash);
      return this.#record(connection, 'endConnection');
    });
  }

  #fields(group: string): readonly string[] {
    return this.#config.keyDefinition.fieldGroups.find(({ name }) => name === group)!.fields;
  }

  #hashes(row: Row): { readonly hash: string; readonly a?: bigint; readonly b?: bigint } {
    const { fieldGroupRefs, fieldGroupARef, fieldGroupBRef } = this.#config.keyDefinition.hash;
    const groupHash = (group: string): bigint =>
      fnvOfHashes(
        this.#fields(group).map((field) => {
          const value = row[field];
          return value === undefined ? 0n : fnv64(new TextEncoder().encode(String(value)));
        }),
      );
    const hashes = fieldGroupRefs.map(groupHash);
    const a = fieldGroupARef === undefined ? undefined : groupHash(fieldGroupARef);
    const b = fieldGroupBRef === undefined ? undefined : groupHash(fieldGroupBRef);
    if (a !== undefined && b !== undefined) hashes.push(...(a < b ? [a, b] : [b, a]));
    const hash = fnvOfHashes(hashes).toString(16).padStart(16, '0');
    return { hash, ...(a !== undefined && { a }), ...(b !== undefined && { b }) };
  }

  #add(
    row: Row,
    hash: string,
    a: bigint | undefined,
    b: bigint | undefined,
    nowMs: number,
  ): Connection | undefined {
    const { maxConnectionsTracked: max = 0, tcpFlags, keyDefinition, scheduling } = this.#config;
    if (max > 0 && this.#connections.size >= max) return undefined;
    const { fieldGroupARef, fieldGroupBRef } = keyDefinition.hash;
    const flags = Number(row[tcpFlags?.fieldName ?? ''] ?? 0);
    const isSwapped = tcpFlags?.swapAB === true && (flags & SYN_ACK) !== 0;
    const keys: Record<string, unknown> = {};
    for (const { name, fields } of keyDefinition.fieldGroups) {
      const from =
        isSwapped && name === fieldGroupARef
          ? this.#fields(fieldGroupBRef!)
          : isSwapped && name === fieldGroupBRef
            ? this.#fields(fieldGroupARef!)
            : fields;
      for (const [index, field] of fields.entries()) keys[field] = row[from[index]!];
    }
    const times = scheduling.find(({ selector = {} }) =>
      Object.entries(selector).every(
        ([field, value]) => keys[field] !== undefined && String(keys[field]) === String(value),
      ),
    )!;
    const connection: Connection = {
      hash,
      keys,
      side: isSwapped ? b : a,
      results: {},
      times,
      expiryMs: 0,
      heartbeatMs: nowMs + msOf(times.heartbeatInterval),
      isTerminating: false,
      isReported: false,
    };
    this.#connections.set(hash, connection);
    return connection;
  }

  #update(connection: Connection, row: Row, a: bigint | undefined, nowMs: number): void {
    for (const { name, operation, splitAB = false, input } of this.#config.outputFields) {
      const direction = a === connection.side ? '_AB' : '_BA';
      const output = splitAB ? name + direction : name;
      const { results } = connection;
      results[output] = aggregate(operation, results[output], row[input ?? name]);
    }
    const { tcpFlags } = this.#config;
    const flags = Number(row[tcpFlags?.fieldName ?? ''] ?? 0);
    if (connection.isTerminating) return;
    connection.isTerminating = tcpFlags?.detectEndConnection === true && (flags & FIN) !== 0;
    const { terminatingTimeout, endConnectionTimeout } = connection.times;
    const time = connection.isTerminating ? terminatingTimeout : endConnectionTimeout;
    connection.expiryMs = nowMs + msOf(time);
  }

  #record(connection: Connection, type: string): readonly Row[] {
    if (!this.#config.outputRecordTypes.includes(type)) return [];
    const { results, keys, hash, isReported } = connection;
    connection.isReported = true;
    const record = {
      ...results,
      ...keys,
      _HashId: hash,
      _RecordType: type,
      _IsFirst: isReported ? 0 : 1,
    };
    const isNumeric = (name: string) =>
      this.#config.outputFields.some(
        (field) =>
          !['first', 'last'].includes(field.operation) &&
          [field.name, `${field.name}_AB`, `${field.name}_BA`].includes(name),
      );
    return [
      Object.fromEntries(
        Object.entries(record).filter(
          ([name, value]) => value !== undefined && !(value === 0 && isNumeric(name)),
        ),
      ),
    ];
  }
}

function aggregate(operation: string, old: unknown, value: unknown): unknown {
  if (operation === 'count') return Number(old ?? 0) + 1;
  if (value === undefined) return old;
  if (old === undefined) return value;
  switch (operation) {
    case 'sum':
      return Number(old) + Number(value);
    case 'min':
      return Math.min(Number(old), Number(value));
    case 'max':
      return Math.max(Number(old), Number(value));
    case 'first':
      return old;
    default:
      return value;
  }
}

function msOf(seconds: string): number {
  return Number(seconds.slice(0, -1)) * 1000;
}
