import { EXTRAS } from '../../../flow/batch.ts';
import { NO_FACT } from '../../../flow/timed-memo.ts';
import type { ClusterIndex } from '../../../kube/index/cluster-index.ts';
import { type KeyFilter, wants } from '../../../kube/index/needs.ts';
import type { KubeObject } from '../../../kube/index/objects.ts';
import type { Transform } from '../../stage.ts';
import type { KubeColumn } from './kubernetes-columns.ts';

/** Labels or annotations that a rule adds. */
export interface KeyTexts {
  readonly of: 'labels' | 'annotations';
  /** With the separator: `SrcLabels_`. */
  readonly prefix: string;
  readonly filter: KeyFilter;
  /** Characters; undefined: any number. */
  readonly maxLength: number | undefined;
}

/** Keys that the configuration names are fields like all others. */
export function texts(wanted: KeyTexts | undefined): readonly KubeColumn[] {
  if (wanted === undefined) return [];
  const { of, prefix, filter, maxLength } = wanted;
  const keys = (filter.inclusions ?? []).filter((key) => wants(filter, key));
  return [...new Set(keys)].map((key) => ({
    name: prefix + key,
    kind: 'str',
    isHost: false,
    value: ({ object }) => cut(object[of]?.[key] ?? '', maxLength),
  }));
}

const MARK = '...';

/** Cuts a text to this many characters (code points), with a mark at the end if it fits. */
export function cut(text: string, maxLength: number | undefined): string {
  if (maxLength === undefined || text.length <= maxLength) return text;
  const characters = [...text];
  if (characters.length <= maxLength) return text;
  const kept = characters.slice(0, Math.max(0, maxLength - MARK.length)).join('');
  return kept + MARK.slice(0, Math.max(0, maxLength));
}

/**
 * All keys, whatever they are: they go to the column for keys that only the data define. Rows with
 * one fact share an object, unless they have such keys already.
 */
export function openTexts(
  name: string,
  held: string,
  wanted: KeyTexts | undefined,
  index: ClusterIndex,
): readonly Transform[] {
  if (wanted === undefined || wanted.filter.inclusions !== undefined) return [];
  const values = new FactExtras(wanted, index);
  return [
    {
      kind: 'transform',
      name: `${name} ${wanted.of}`,
      reads: [held, EXTRAS],
      writes: [{ name: EXTRAS, kind: 'any' }],
      apply: (batch) => values.fill(batch.length, batch.u32(held), batch.any(EXTRAS)),
    },
  ];
}

type Extras = Readonly<Record<string, string>>;

class FactExtras {
  readonly #wanted: KeyTexts;
  readonly #index: ClusterIndex;
  readonly #byFact = new Map<number, Extras | undefined>();
  #version = 0;

  constructor(wanted: KeyTexts, index: ClusterIndex) {
    this.#wanted = wanted;
    this.#index = index;
  }

  fill(length: number, facts: Uint32Array, extras: unknown[]): void {
    this.#forgetChanged();
    for (let row = 0; row < length; row++) {
      const fact = facts[row]!;
      const own = fact === NO_FACT ? undefined : this.#of(fact);
      if (own === undefined) continue;
      const known = extras[row];
      extras[row] = known === undefined ? own : { ...(known as object), ...own };
    }
  }

  #forgetChanged(): void {
    const { names } = this.#index;
    const changed = names.since(this.#version);
    if (changed === undefined) this.#byFact.clear();
    else for (const fact of changed) this.#byFact.delete(fact);
    this.#version = names.version;
  }

  #of(fact: number): Extras | undefined {
    if (this.#byFact.has(fact)) return this.#byFact.get(fact);
    const object = this.#index.named(fact)?.object;
    const extras = object && this.#make(object);
    this.#byFact.set(fact, extras);
    return extras;
  }

  #make(object: KubeObject): Extras | undefined {
    const { of, prefix, filter, maxLength } = this.#wanted;
    const kept = Object.entries(object[of] ?? {}).filter(([key]) => wants(filter, key));
    if (kept.length === 0) return undefined;
    return Object.fromEntries(kept.map(([key, text]) => [prefix + key, cut(text, maxLength)]));
  }
}
