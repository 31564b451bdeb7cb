import { type ColumnSpec, EXTRAS } from '../../flow/batch.ts';
import type { FieldKind } from '../../flow/field.ts';
import { configError, PIPELINE_ERRORS } from '../errors.ts';
import type { Transform } from '../stage.ts';

/**
 * The columns that exist at one place of the graph, and the kinds of all names on the way to it.
 */
export class ColumnScope {
  readonly #kinds: Map<string, FieldKind>;
  readonly #names: Set<string>;
  readonly #named: Set<string>;
  /** Removed on the way. */
  readonly #gone = new Set<string>();
  #isOpen: boolean;

  private constructor(
    kinds: Map<string, FieldKind>,
    names: Iterable<string>,
    named: Iterable<string>,
    isOpen: boolean,
  ) {
    this.#isOpen = isOpen;
    this.#kinds = kinds;
    this.#names = new Set(names);
    this.#named = new Set(named);
  }

  /** The scope behind a source, or an extractor, with these columns. */
  static of(
    known: ReadonlyMap<string, FieldKind>,
    columns: readonly ColumnSpec[],
    path: string,
    isOpen = false,
  ): ColumnScope {
    const scope = new ColumnScope(new Map(known), [], [], isOpen);
    for (const column of columns) scope.#add(column, path, 'this stage');
    return scope;
  }

  /** The scope where paths join: everything that exists on any of them. */
  static join(scopes: readonly ColumnScope[], path: string): ColumnScope {
    const [first, ...others] = scopes as readonly [ColumnScope, ...ColumnScope[]];
    const isOpen = scopes.some((scope) => scope.isOpen);
    const joined = new ColumnScope(new Map(first.#kinds), first.#names, first.#named, isOpen);
    for (const other of others) {
      for (const [name, kind] of other.#kinds) joined.#add({ name, kind }, path, 'another input');
      for (const name of other.#named) joined.#named.add(name);
    }
    const names = new Set(scopes.flatMap((scope) => [...scope.#names]));
    return new ColumnScope(joined.#kinds, names, joined.#named, isOpen);
  }

  /** Whether flows may have keys that only the data define. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Fields whose numbers text sinks write by name. */
  get named(): ReadonlySet<string> {
    return this.#named;
  }

  get names(): ReadonlySet<string> {
    return this.#names;
  }

  get kinds(): ReadonlyMap<string, FieldKind> {
    return this.#kinds;
  }

  kindOf(name: string): FieldKind | undefined {
    return this.has(name) ? (this.#kinds.get(name) ?? 'any') : undefined;
  }

  /** The kind that a column of this name must have, even if it does not exist here. */
  declaredKind(name: string): FieldKind | undefined {
    return this.#kinds.get(name);
  }

  /** Whether flows may have the field here. */
  has(name: string): boolean {
    return this.#names.has(name) || (this.isOpen && !this.#gone.has(name));
  }

  /** Names for a stage that reads everything. */
  get all(): readonly string[] {
    return this.isOpen ? [...this.#names, EXTRAS] : [...this.#names];
  }

  copy(): ColumnScope {
    const copied = new ColumnScope(new Map(this.#kinds), this.#names, this.#named, this.isOpen);
    for (const name of this.#gone) copied.#gone.add(name);
    return copied;
  }

  /** Applies a transform's changes to the set of columns. */
  apply(transform: Transform, path: string): void {
    for (const column of transform.writes) {
      this.#add(column, path, transform.name);
      if (column.form === 'names') this.#named.add(column.name);
      else this.#named.delete(column.name);
    }
    for (const name of transform.removes ?? []) this.#remove(name);
    const { keeps } = transform;
    if (keeps === undefined) return;
    for (const name of this.#names) if (!keeps.has(name)) this.#remove(name);
    this.#isOpen = false;
  }

  #remove(name: string): void {
    this.#names.delete(name);
    this.#named.delete(name);
    this.#gone.add(name);
  }

  #add({ name, kind }: ColumnSpec, path: string, maker: string): void {
    const known = this.#kinds.get(name);
    if (known !== undefined && known !== kind) {
      const conflict = `field ${name} holds ${known}, but ${maker} makes ${kind}`;
      const problem = `${conflict}: choose another output`;
      throw configError(PIPELINE_ERRORS.fieldKind, path, problem);
    }
    this.#kinds.set(name, kind);
    this.#names.add(name);
    this.#gone.delete(name);
  }
}
