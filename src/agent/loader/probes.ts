import { explain } from '../../base/errors.ts';
import { runAll } from '../../base/run-all.ts';
import type { Log } from '../../telemetry/log.ts';
import type { FeatureSpec } from '../features/feature.ts';
import type { AgentMetrics } from '../metrics.ts';
import type { Native } from './native.ts';
import type { LoadedFeature, LoadedObject } from './object.ts';
import { verifierWords } from './verifier.ts';

/** The state of a feature that was requested. */
export interface FeatureStatus {
  readonly name: string;
  readonly state: 'on' | 'unavailable';
  /** The reason why it is not available. */
  readonly why?: string;
}

export interface AttachedFeatures {
  readonly features: readonly LoadedFeature[];
  readonly statuses: readonly FeatureStatus[];
  detach(): Promise<void>;
}

export interface ProbesDeps {
  readonly native: Native;
  readonly log: Log;
  readonly metrics: AgentMetrics;
}

/** Attaches the probes of every feature; logs and leaves out those that cannot be attached. */
export async function attachFeatures(
  { object, features, refused }: LoadedObject,
  { native, log, metrics }: ProbesDeps,
): Promise<AttachedFeatures> {
  const attachments: number[] = [];
  const attached: LoadedFeature[] = [];
  const statuses: FeatureStatus[] = [];
  const leaveOut = (spec: FeatureSpec, cause: unknown): void => {
    const why = explain(cause);
    statuses.push({ name: spec.name, state: 'unavailable', why });
    metrics.error('feature', `${spec.name}:unavailable`, 'medium');
    const verifier = verifierWords(cause);
    log.warn(
      { feature: spec.name, why, ...(verifier.length === 0 ? {} : { verifier }) },
      `${spec.variable} is not possible here: ${spec.without}; see netobserv doctor`,
    );
  };
  for (const { spec, cause } of refused) leaveOut(spec, cause);
  for (const feature of features) {
    const own: number[] = [];
    try {
      for (const probe of feature.probes) own.push(native.attachProbe(object, probe));
    } catch (error) {
      for (const id of own) await native.detach(object, id);
      leaveOut(feature.spec, error);
      continue;
    }
    attachments.push(...own);
    attached.push(feature);
    statuses.push({ name: feature.spec.name, state: 'on' });
  }
  return {
    features: attached,
    statuses,
    async detach() {
      await runAll(attachments.splice(0).map((id) => () => native.detach(object, id)));
    },
  };
}
