import { assertExists } from '../base/assert.ts';
import type { Feature, FieldFilter } from './field.ts';
import { FIELDS } from './fields.ts';

/** A filter that users can pick, and the field or fields that it tests. */
export interface FilterSpec extends FieldFilter {
  /** Key in queries: a field, or the common key of both ends' fields. */
  readonly key: string;
  readonly feature?: Feature;
}

/**
 * A Kubernetes object as one text, `Kind.namespace.name`. It covers three fields, so it is not a
 * row of the field table: the reader of the filter splits it.
 */
const RESOURCE_FILTERS: readonly FilterSpec[] = (
  [
    ['resource', 'endpoint', 'K8S_Object'],
    ['src_resource', 'source', 'SrcK8S_Object'],
    ['dst_resource', 'destination', 'DstK8S_Object'],
  ] as const
).map(([id, category, key]) => ({
  id,
  name: 'Resource',
  component: 'autocomplete',
  category,
  key,
  hint: 'Kind, namespace and name of a Kubernetes object.',
  placeholder: 'Pod.default.my-pod',
  examples: 'Kind.namespace.name, each of which can be picked: Deployment.shop.cart.',
  feature: 'kubernetes',
}));

/** All filters: those of fields, of pairs of fields, and of objects. */
export const FILTERS: readonly FilterSpec[] = [
  ...FIELDS.flatMap(({ name, pair, feature, filter, endpointFilter }): readonly FilterSpec[] => {
    const gate = feature === undefined ? {} : { feature };
    const specs: FilterSpec[] = [];
    if (endpointFilter !== undefined) {
      const key = assertExists(pair, `key of ${name} and its twin`);
      specs.push({ ...endpointFilter, ...gate, key });
    }
    if (filter !== undefined) specs.push({ ...filter, ...gate, key: name });
    return specs;
  }),
  ...RESOURCE_FILTERS,
];
