import { explain } from '../../base/errors.ts';
import type { SourceStatus, StatusResponse } from '../api.ts';
import type { ConsoleDeps } from './context.ts';

const NOT_CONFIGURED: SourceStatus = {
  isEnabled: false,
  namespacesCount: 0,
  isReady: false,
  error: '',
  errorCode: 0,
};

/** State of all sources of the console's data; never fails, because it reports failures. */
export async function readStatus(deps: ConsoleDeps): Promise<StatusResponse> {
  const agent = await deps.agentStatus?.();
  return {
    loki: NOT_CONFIGURED,
    prometheus: NOT_CONFIGURED,
    store: await storeStatus(deps),
    agent: {
      isEnabled: agent !== undefined,
      interfaces: agent?.interfaces ?? [],
      features: agent?.features ?? [],
      accounting: agent?.accounting ?? null,
      vitals: agent?.vitals ?? null,
    },
    branches: (await deps.branches?.()) ?? [],
  };
}

async function storeStatus(deps: ConsoleDeps): Promise<StatusResponse['store']> {
  try {
    const status = await deps.store.status();
    const { kind, ready, error, rows, sizeBytes, oldestMs, newestMs, warnings = [] } = status;
    return {
      kind,
      isReady: ready,
      error: error ?? '',
      rows,
      sizeBytes,
      oldestMs: oldestMs ?? null,
      newestMs: newestMs ?? null,
      ...(warnings.length === 0 ? {} : { warnings }),
    };
  } catch (error) {
    return {
      kind: 'unknown',
      isReady: false,
      error: explain(error),
      rows: 0,
      sizeBytes: 0,
      oldestMs: null,
      newestMs: null,
    };
  }
}
