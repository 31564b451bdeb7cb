import type { Row } from './rows.ts';

/** A rule of the stage, as written. */
export interface TimebasedRuleConfig {
  readonly name: string;
  readonly indexKeys: readonly string[];
  readonly operationType: string;
  readonly operationKey?: string;
  readonly topK?: number;
  readonly reversed?: boolean;
  readonly timeInterval: string;
}

/** One rule over all flows so far: the meaning of the stage `timebased`. */
export class TimebasedModel {
  readonly #rule: TimebasedRuleConfig;
  readonly #flows: { readonly row: Row; readonly ms: number }[] = [];

  constructor(rule: TimebasedRuleConfig) {
    this.#rule = rule;
  }

  flow(row: Row, ms: number): void {
    this.#flows.push({ row, ms });
  }

  tick(nowMs: number): readonly Row[] {
    const { name, indexKeys, operationType, operationKey, timeInterval } = this.#rule;
    const { topK = 0, reversed = false } = this.#rule;
    const fromMs = nowMs - Number.parseInt(timeInterval, 10) * 1000;
    const rows = this.#flows
      .filter(({ ms }) => ms > fromMs)
      .map(({ row }) => row)
      .filter((row) => indexKeys.every((key) => row[key] !== undefined && row[key] !== ''));
    const groups = Map.groupBy(rows, (row) => JSON.stringify(indexKeys.map((key) => row[key])));
    const results = [...groups.values()].flatMap((group) => {
      const numbers = group.flatMap((row) => (row[operationKey ?? ''] as number | undefined) ?? []);
      const value = operationType === 'count' ? group.length : result(operationType, numbers);
      const keys = Object.fromEntries(indexKeys.map((key) => [key, group[0]![key]]));
      return value === undefined ? [] : [{ value, keys }];
    });
    const sign = reversed ? 1 : -1;
    results.sort((left, right) => sign * (left.value - right.value));
    return results.slice(0, topK === 0 ? undefined : topK).map(({ value, keys }) => ({
      name,
      index_key: indexKeys.join(','),
      operation: operationType,
      [operationKey ?? 'count']: value,
      ...keys,
    }));
  }
}

function result(operation: string, numbers: readonly number[]): number | undefined {
  const sum = numbers.reduce((total, number) => total + number, 0);
  if (operation === 'sum') return sum;
  if (numbers.length === 0) return undefined;
  switch (operation) {
    case 'avg':
      return sum / numbers.length;
    case 'min':
      return Math.min(...numbers);
    case 'max':
      return Math.max(...numbers);
    case 'last':
      return numbers.at(-1)!;
    default:
      return numbers.at(-1)! - numbers[0]!;
  }
}
