import { NetobservError } from '../base/errors.ts';
import type { KubeClient, KubeRequest } from './client.ts';
import { KUBE_ERRORS } from './errors.ts';
import { OBJECT_BYTES_MAX } from './json-parts.ts';
import { jsonOf } from './values.ts';

const SILENCE_MS = 30_000;

/** One object as an answer; `what` names it. Rejects as `KubeClient.open` does. */
export async function readJson(
  client: KubeClient,
  what: string,
  request: Pick<KubeRequest, 'method' | 'path' | 'body'>,
  signal: AbortSignal,
): Promise<unknown> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  const whole = { ...request, accept: 'application/json', silenceMs: SILENCE_MS };
  for await (const piece of await client.open(whole, signal)) {
    bytes += piece.length;
    if (bytes > OBJECT_BYTES_MAX) throw new NetobservError(KUBE_ERRORS.objectTooLarge, what);
    pieces.push(piece);
  }
  return jsonOf(Buffer.concat(pieces).toString('utf8'));
}
