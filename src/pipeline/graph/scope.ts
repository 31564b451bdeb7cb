import type { FieldKind } from '../../flow/field.ts';
import { configError, PIPELINE_ERRORS } from '../errors.ts';
import type { Transform } from '../stage.ts';

/** Which columns exist at one place of the graph. Kinds are one per name for the whole graph. */
export class Scope {
  readonly #kinds: Map<string, FieldKind>;
  readonly #names: Set<string>;

  readonly #named: Set<string>;

  constructor(kinds: Map<string, FieldKind>, names: Iterable<string>, named: Iterable<string>) {
    this.#kinds = kinds;
    this.#names = new Set(names);
    this.#named = new Set(named);
  }

  /** Fields whose numbers text sinks write by name. */
  get named(): ReadonlySet<string> {
    return this.#named;
  }

  get names(): ReadonlySet<string> {
    return this.#names;
  }

  kindOf(name: string): FieldKind | undefined {
    return this.#names.has(name) ? this.#kinds.get(name) : undefined;
  }

  /** The kind that a column of this name would have to have, whether it exists here or not. */
  declaredKind(name: string): FieldKind | undefined {
    return this.#kinds.get(name);
  }

  /** Takes over what a transform does to the set of columns. */
  apply(transform: Transform, path: string): void {
    for (const { name, kind, form } of transform.writes) {
      const known = this.#kinds.get(name);
      if (known !== undefined && known !== kind) {
        const conflict = `field ${name} holds ${known}, but ${transform.name} makes ${kind}`;
        const problem = `${conflict}: choose another output`;
        throw configError(PIPELINE_ERRORS.fieldKind, path, problem);
      }
      this.#kinds.set(name, kind);
      this.#names.add(name);
      if (form === 'names') this.#named.add(name);
      else this.#named.delete(name);
    }
    for (const name of transform.removes ?? []) {
      this.#names.delete(name);
      this.#named.delete(name);
    }
  }
}
