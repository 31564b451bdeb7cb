import { expect, test } from 'vitest';
import { withoutNodes } from '../../../src/commands/environment.ts';

test('what is Node’s is taken away, and nothing that only looks like it', () => {
  // The downward API of Kubernetes often provides NODE_NAME.
  const ours = { NODE_NAME: 'worker-1', NODE_IP: '192.0.2.1', PATH: '/bin', LOG_LEVEL: 'debug' };
  expect(withoutNodes(ours)).toBeUndefined();
  expect(withoutNodes({ ...ours, NODE_TLS_REJECT_UNAUTHORIZED: '0' })).toEqual(ours);
});
