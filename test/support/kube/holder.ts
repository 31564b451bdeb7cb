import type { ClusterIndex } from '../../../src/kube/index/cluster-index.ts';
import type { KubeObject } from '../../../src/kube/index/objects.ts';

/** The object that has an address at a time; default: at the end of all times. */
export function holderOf(
  index: ClusterIndex,
  address: string,
  atMs = Number.POSITIVE_INFINITY,
): KubeObject | undefined {
  let holder: KubeObject | undefined;
  index.findKey(address, {
    add(fromMs, fact) {
      if (fromMs <= atMs) holder = index.named(fact)?.object;
    },
  });
  return holder;
}
