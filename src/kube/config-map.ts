import { NetobservError } from '../base/errors.ts';
import type { KubeClient } from './client.ts';
import { KUBE_ERRORS } from './errors.ts';
import { readJson } from './json-answer.ts';
import { recordOf } from './values.ts';

/** One text in a ConfigMap. */
export interface ConfigMapKey {
  readonly namespace: string;
  readonly name: string;
  readonly key: string;
}

/** Reads the text. Rejects as `KubeClient.open` does, and with `configMap` if it is not there. */
export async function readConfigMap(
  client: KubeClient,
  { namespace, name, key }: ConfigMapKey,
  signal: AbortSignal,
): Promise<string> {
  const [inNamespace, named] = [namespace, name].map(encodeURIComponent);
  const path = `/api/v1/namespaces/${inNamespace}/configmaps/${named}`;
  const answer = await readJson(client, `ConfigMap ${namespace}/${name}`, { path }, signal);
  const { data } = recordOf(answer);
  const texts = recordOf(data);
  const text = texts[key];
  if (typeof text === 'string') return text;
  const keys = Object.keys(texts).join(', ') || 'nothing';
  const problem = `ConfigMap ${namespace}/${name} has no key ${key}; it has ${keys}`;
  throw new NetobservError(KUBE_ERRORS.configMap, problem);
}
