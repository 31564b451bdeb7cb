import { NetobservError } from '../base/errors.ts';
import type { KubeClient } from './client.ts';
import { KUBE_ERRORS } from './errors.ts';
import { OBJECT_BYTES_MAX } from './json-parts.ts';
import { jsonOf, recordOf } from './values.ts';

/** One text in a ConfigMap. */
export interface ConfigMapKey {
  readonly namespace: string;
  readonly name: string;
  readonly key: string;
}

const SILENCE_MS = 30_000;

/** Reads the text. Rejects as `KubeClient.open` does, and with `configMap` if it is not there. */
export async function readConfigMap(
  client: KubeClient,
  { namespace, name, key }: ConfigMapKey,
  signal: AbortSignal,
): Promise<string> {
  const [inNamespace, named] = [namespace, name].map(encodeURIComponent);
  const path = `/api/v1/namespaces/${inNamespace}/configmaps/${named}`;
  const request = { path, accept: 'application/json', silenceMs: SILENCE_MS };
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of await client.open(request, signal)) {
    bytes += piece.length;
    if (bytes > OBJECT_BYTES_MAX) {
      throw new NetobservError(KUBE_ERRORS.objectTooLarge, `ConfigMap ${namespace}/${name}`);
    }
    pieces.push(piece);
  }
  const { data } = recordOf(jsonOf(Buffer.concat(pieces).toString('utf8')));
  const texts = recordOf(data);
  const text = texts[key];
  if (typeof text === 'string') return text;
  const keys = Object.keys(texts).join(', ') || 'nothing';
  const problem = `ConfigMap ${namespace}/${name} has no key ${key}; it has ${keys}`;
  throw new NetobservError(KUBE_ERRORS.configMap, problem);
}
