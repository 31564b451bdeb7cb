import type { Row } from './rows.ts';

/** Options of the stage, as written. */
export interface AggregatesConfig {
  readonly defaultExpiryTime?: string;
  readonly rules: readonly {
    readonly name: string;
    readonly groupByKeys: readonly string[];
    readonly operationType: string;
    readonly operationKey?: string;
    readonly expiryTime?: string;
  }[];
}

interface Group {
  readonly keys: Row;
  readonly total: Flows;
  recent: Flows;
  lastMs: number;
}

interface Flows {
  count: number;
  readonly numbers: number[];
}

/** Groups as objects in maps: the meaning of the stage `aggregates`. */
export class AggregatesModel {
  readonly #config: AggregatesConfig;
  readonly #groups: readonly Map<string, Group>[];

  constructor(config: AggregatesConfig) {
    this.#config = config;
    this.#groups = config.rules.map(() => new Map());
  }

  flow(row: Row, nowMs: number): void {
    for (const [index, { groupByKeys, operationKey = '' }] of this.#config.rules.entries()) {
      if (groupByKeys.some((key) => row[key] === undefined)) continue;
      const keys = Object.fromEntries(groupByKeys.map((key) => [key, row[key]]));
      const id = JSON.stringify(groupByKeys.map((key) => row[key]));
      const groups = this.#groups[index]!;
      const group = groups.get(id) ?? { keys, total: none(), recent: none(), lastMs: 0 };
      groups.set(id, group);
      group.lastMs = nowMs;
      for (const flows of [group.total, group.recent]) {
        flows.count++;
        if (row[operationKey] !== undefined) flows.numbers.push(Number(row[operationKey]));
      }
    }
  }

  /** The flows of a tick; without a time, those at the end. */
  tick(nowMs?: number): readonly Row[] {
    return this.#config.rules.flatMap((rule, index) => {
      const { name, groupByKeys, operationType, operationKey = '', expiryTime } = rule;
      const groups = this.#groups[index]!;
      const expiryMs =
        Number.parseInt(expiryTime ?? this.#config.defaultExpiryTime ?? '120s', 10) * 1000;
      for (const [id, { lastMs }] of groups) {
        if (nowMs !== undefined && lastMs + expiryMs <= nowMs) groups.delete(id);
      }
      return [...groups.values()].map((group): Row => {
        const { keys, total, recent } = group;
        group.recent = none();
        const aggregate = groupByKeys
          .toSorted()
          .map((key) => String(keys[key]))
          .join(',');
        const row = {
          name,
          operation_type: operationType,
          operation_key: operationKey,
          by: groupByKeys.join(','),
          aggregate,
          total_value: result(operationType, total),
          total_count: total.count,
          recent_raw_values: operationType === 'raw_values' ? recent.numbers : undefined,
          recent_op_value: result(operationType, recent),
          recent_count: recent.count,
          ...(groupByKeys.length > 1 && { [groupByKeys.join('_')]: aggregate }),
          ...keys,
        };
        return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined));
      });
    });
  }
}

function none(): Flows {
  return { count: 0, numbers: [] };
}

function result(operation: string, { count, numbers }: Flows): number | undefined {
  const sum = numbers.reduce((total, number) => total + number, 0);
  switch (operation) {
    case 'count':
      return count;
    case 'sum':
      return sum;
    case 'avg':
      return numbers.length === 0 ? undefined : sum / numbers.length;
    case 'min':
      return numbers.length === 0 ? undefined : Math.min(...numbers);
    case 'max':
      return numbers.length === 0 ? undefined : Math.max(...numbers);
    default:
      return undefined;
  }
}
