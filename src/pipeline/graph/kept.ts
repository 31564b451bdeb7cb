import { isDeepStrictEqual } from 'node:util';
import { BatchLayout, type ColumnSpec } from '../../flow/batch.ts';
import type { FieldKind } from '../../flow/field.ts';
import type { Made, Sink, StageContext } from '../stage.ts';
import type { ColumnScope } from './scope.ts';
import type { GraphNode } from './topology.ts';

/** Questions that a stage asked about the columns before it while it was made, with the answers. */
class Questions {
  readonly #scope: ColumnScope;
  readonly #kinds = new Map<string, FieldKind | undefined>();
  readonly #declared = new Map<string, FieldKind | undefined>();
  #named: ReadonlySet<string> | undefined;

  constructor(scope: ColumnScope) {
    this.#scope = scope;
  }

  kindOf(name: string): FieldKind | undefined {
    const kind = this.#scope.kindOf(name);
    this.#kinds.set(name, kind);
    return kind;
  }

  declaredKind(name: string): FieldKind | undefined {
    const kind = this.#scope.declaredKind(name);
    this.#declared.set(name, kind);
    return kind;
  }

  get named(): ReadonlySet<string> {
    this.#named = this.#scope.named;
    return this.#named;
  }

  /** Whether the answers would be the same elsewhere. */
  hold(scope: ColumnScope): boolean {
    for (const [name, kind] of this.#kinds) if (scope.kindOf(name) !== kind) return false;
    for (const [name, kind] of this.#declared) {
      if (scope.declaredKind(name) !== kind) return false;
    }
    return this.#named === undefined || isDeepStrictEqual(this.#named, scope.named);
  }
}

interface KeptStage {
  readonly node: GraphNode;
  readonly questions: Questions;
  readonly made: Made;
}

/** The part of a stage's context that says what is before it. */
export type Before = Pick<StageContext, 'kindOf' | 'declaredKind' | 'named' | 'earlier'>;

/**
 * The stages of a plan. Made from those of the plan before it, it keeps each stage whose options
 * are the same and whose questions have the same answers: with its state, series and connections.
 */
export class KeptStages {
  readonly #stages = new Map<string, KeptStage>();
  readonly #layouts = new Map<string, BatchLayout>();
  readonly #earlierStages: ReadonlyMap<string, KeptStage>;
  readonly #earlierLayouts: ReadonlyMap<string, BatchLayout>;

  constructor(earlier?: KeptStages) {
    this.#earlierStages = earlier === undefined ? new Map() : earlier.#stages;
    this.#earlierLayouts = earlier === undefined ? new Map() : earlier.#layouts;
  }

  /** The stage as it is, or a new one by `create`. */
  stage(node: GraphNode, scope: ColumnScope, create: (before: Before) => Made): Made {
    const { name } = node.entry;
    const kept = this.#earlierStages.get(name);
    if (kept !== undefined && isSame(kept.node, node) && kept.questions.hold(scope)) {
      this.#stages.set(name, kept);
      return kept.made;
    }
    const questions = new Questions(scope);
    let earlier = kept?.node.entry.type === node.entry.type ? sinkOf(kept.made) : undefined;
    const before: Before = {
      kindOf: (field) => questions.kindOf(field),
      declaredKind: (field) => questions.declaredKind(field),
      get named() {
        return questions.named;
      },
      get earlier() {
        return earlier;
      },
    };
    const made = create(before);
    // A sink that keeps its context must not keep all sinks before it.
    earlier = undefined;
    this.#stages.set(name, { node, questions, made });
    return made;
  }

  /** One layout for the same columns, also across plans: readers and pools go on with it. */
  layout(columns: readonly ColumnSpec[]): BatchLayout {
    const key = JSON.stringify(columns.map(({ name, kind }) => [name, kind]));
    const layout =
      this.#layouts.get(key) ?? this.#earlierLayouts.get(key) ?? new BatchLayout(columns);
    this.#layouts.set(key, layout);
    return layout;
  }
}

function sinkOf(made: Made): Sink | undefined {
  return 'kind' in made && made.kind === 'sink' ? made : undefined;
}

function isSame(one: GraphNode, other: GraphNode): boolean {
  return (
    one.entry.type === other.entry.type &&
    one.whenFull === other.whenFull &&
    isDeepStrictEqual(one.entry.options, other.entry.options)
  );
}
