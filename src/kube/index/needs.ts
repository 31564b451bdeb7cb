/** Which part of a flow identifies a pod in a secondary network. */
export interface NetworkIndex {
  readonly mac: boolean;
  readonly ip: boolean;
  readonly interface: boolean;
  readonly udn: boolean;
}

/** Labels or annotations that a rule wants: those included, or all; without those excluded. */
export interface KeyFilter {
  /** Undefined: all. */
  readonly inclusions: readonly string[] | undefined;
  readonly exclusions: readonly string[];
}

/** The facts about the cluster that a stage needs. */
export interface ClusterNeeds {
  /** Path of a kubeconfig; empty: the usual places. */
  readonly configPath: string;
  readonly networks: readonly NetworkIndex[];
  readonly managedCni: readonly string[];
  readonly trackedKinds: readonly string[];
  readonly labels: readonly KeyFilter[];
  readonly annotations: readonly KeyFilter[];
}

export function wants(filter: KeyFilter, key: string): boolean {
  if (filter.exclusions.includes(key)) return false;
  return filter.inclusions === undefined || filter.inclusions.includes(key);
}
