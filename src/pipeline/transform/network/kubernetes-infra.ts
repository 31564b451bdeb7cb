import type { FlowBatch } from '../../../flow/batch.ts';
import { IdMemo, UNKNOWN } from '../../../flow/id-memo.ts';
import { type InternTables, MISSING } from '../../../flow/intern.ts';
import type { KubernetesInfraRule } from '../../options/transform/kubernetes.ts';
import type { StageContext, Transform } from '../../stage.ts';
import { requireKind } from '../require-kind.ts';

/** Facts about a namespace. */
const APP = 1;
const INFRA = 2;

/**
 * Tells flows of applications from those of the infrastructure: `app` if an end has a namespace
 * that is not infrastructure, else `infra`, also without any namespace.
 */
export function addKubernetesInfra(rule: KubernetesInfraRule, context: StageContext): Transform {
  const { output, namespaceNameFields } = rule;
  for (const [index, { name, namespace }] of namespaceNameFields.entries()) {
    const option = `kubernetes_infra.namespaceNameFields[${index}]`;
    requireKind(context, `${option}.namespace`, namespace, ['str']);
    requireKind(context, `${option}.name`, name, ['str']);
  }
  const layers = new Layers(rule);
  return {
    kind: 'transform',
    name: 'add_kubernetes_infra',
    reads: namespaceNameFields.flatMap(({ name, namespace }) => [namespace, name]),
    writes: [{ name: output, kind: 'str' }],
    apply: (batch) => layers.fill(batch),
  };
}

class Layers {
  readonly #rule: KubernetesInfraRule;
  readonly #memo = new IdMemo();

  constructor(rule: KubernetesInfraRule) {
    this.#rule = rule;
  }

  fill(batch: FlowBatch): void {
    const { output, namespaceNameFields } = this.#rule;
    const { strings } = batch.tables;
    const layers = batch.ids(output);
    const app = strings.intern('app');
    layers.fill(strings.intern('infra'), 0, batch.length);
    for (const { name, namespace } of namespaceNameFields) {
      if (!batch.has(namespace)) continue;
      const names = batch.has(name) ? batch.ids(name) : undefined;
      this.#end(batch, batch.ids(namespace), names, layers, app);
    }
  }

  #end(
    { length, tables }: FlowBatch,
    namespaces: Uint32Array,
    names: Uint32Array | undefined,
    layers: Uint32Array,
    app: number,
  ): void {
    const memo = this.#memo.for(tables, tables.strings.size);
    const refs = this.#refs(tables);
    for (let row = 0; row < length; row++) {
      const namespace = namespaces[row]!;
      if (namespace === MISSING) continue;
      let fact = memo[namespace]!;
      if (fact === UNKNOWN) {
        fact = this.#factOf(tables.strings.text(namespace));
        memo[namespace] = fact;
      }
      if (fact === INFRA) continue;
      if (!hasPair(refs, namespace, names === undefined ? MISSING : names[row]!)) {
        layers[row] = app;
      }
    }
  }

  /** An empty namespace counts as none. */
  #factOf(namespace: string): number {
    const { infra_prefixes: prefixes } = this.#rule;
    const isInfra = namespace === '' || prefixes.some((prefix) => namespace.startsWith(prefix));
    return isInfra ? INFRA : APP;
  }

  /** Ids of namespace and name, in turn. */
  #refs({ strings }: InternTables): Uint32Array {
    const { infra_refs: refs } = this.#rule;
    return Uint32Array.from(
      refs.flatMap(({ namespace, name }) => [strings.intern(namespace), strings.intern(name)]),
    );
  }
}

function hasPair(pairs: Uint32Array, first: number, second: number): boolean {
  for (let at = 0; at < pairs.length; at += 2) {
    if (pairs[at] === first && pairs[at + 1] === second) return true;
  }
  return false;
}
