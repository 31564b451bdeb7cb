import { labelField, type SeriesWriter } from '../../../codec/prometheus/write-request.ts';
import type { LabelGroup } from './group.ts';
import type { LabelValues } from './label-values.ts';

/** Encoded labels by name and id of the value: they are the same in each transmission. */
export class LabelFields {
  readonly #values: LabelValues;
  readonly #byName = new Map<string, Uint8Array[]>();
  #compactions = 0;

  constructor(values: LabelValues) {
    this.#values = values;
  }

  /** Forgets labels whose ids are no longer those of their values. */
  begin(): void {
    if (this.#compactions === this.#values.compactions) return;
    this.#compactions = this.#values.compactions;
    for (const byId of this.#byName.values()) byId.length = 0;
  }

  /** Labels of a name that were used, by the id of the value. */
  named(name: string): Uint8Array[] {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    const byId: Uint8Array[] = [];
    this.#byName.set(name, byId);
    return byId;
  }
}

interface VaryingLabel {
  readonly name: string;
  /** Its place among the metric's labels. */
  readonly place: number;
  readonly byId: Uint8Array[];
}

/** The labels of one kind of samples of a metric, in the order of their names. */
export class SeriesLabels {
  readonly #group: LabelGroup;
  readonly #parts: readonly (Uint8Array | VaryingLabel)[];

  /** `fixed`: labels besides those of the group, with other names. */
  constructor(group: LabelGroup, fixed: Readonly<Record<string, string>>, fields: LabelFields) {
    this.#group = group;
    const own = group.labels.map(({ name }, place) => ({
      name,
      part: { name, place, byId: fields.named(name) },
    }));
    const others = Object.entries(fixed).map(([name, value]) => ({
      name,
      part: labelField(name, value),
    }));
    this.#parts = [...own, ...others]
      .sort((left, right) => (left.name < right.name ? -1 : 1))
      .map(({ part }) => part);
  }

  write(slot: number, writer: SeriesWriter): void {
    for (const part of this.#parts) {
      writer.label(part instanceof Uint8Array ? part : this.#varying(slot, part));
    }
  }

  #varying(slot: number, { name, place, byId }: VaryingLabel): Uint8Array {
    const id = this.#group.tuples.word(slot, place);
    byId[id] ??= labelField(name, this.#group.valueOf(slot, place));
    return byId[id];
  }
}
