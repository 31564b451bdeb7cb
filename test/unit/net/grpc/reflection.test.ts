import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PBFLOW_FILE } from '../../../../src/codec/pbflow/proto-file.ts';
import { Reflection } from '../../../../src/net/grpc/reflection.ts';

test('any request gets an answer', () => {
  const reflection = new Reflection(PBFLOW_FILE);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const request = Uint8Array.from(bytes);
      expect(reflection.answer(request).length).toBeGreaterThan(request.length);
    }),
    { numRuns: 5000 },
  );
});
