import fc from 'fast-check';
import { expect, test } from 'vitest';
import { config as layout } from '../../../../src/agent/drain/layout.gen.ts';
import { configureTags, TAG_SECRET_BYTES } from '../../../../src/agent/loader/tags.ts';

/** As in bpf/tag.h. */
const TAG_MAX = 2047;
const TAG_FLOWS = TAG_MAX - 4;

const secrets = fc.uint8Array({ minLength: TAG_SECRET_BYTES, maxLength: TAG_SECRET_BYTES });

test('whatever the secret: the factor is odd, and every tag means one thing', () => {
  fc.assert(
    fc.property(secrets, (secret) => {
      const view = new DataView(new ArrayBuffer(layout.sizeBytes));
      configureTags(view, secret);
      const first = view.getUint16(layout.tagFirst, true);
      const flows = Array.from({ length: TAG_FLOWS }, (_, at) => ((first - 1 + at) % TAG_MAX) + 1);
      const others = [
        layout.tagNotFlow,
        layout.tagUnmatched,
        layout.tagRejected,
        layout.tagSampledOut,
      ].map((at) => view.getUint16(at, true));
      const all = new Set([...flows, ...others]);
      expect(all.size).toBe(TAG_MAX);
      expect(Math.min(...all)).toBe(1);
      expect(Math.max(...all)).toBe(TAG_MAX);
      expect(view.getBigUint64(layout.tagFactor, true) & 1n).toBe(1n);
    }),
  );
});

test('another secret, other marks', () => {
  const bytesOf = (secret: Uint8Array): string => {
    const bytes = Buffer.alloc(layout.sizeBytes);
    configureTags(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), secret);
    return bytes.toString('hex');
  };
  expect(bytesOf(new Uint8Array(TAG_SECRET_BYTES).fill(1))).not.toBe(
    bytesOf(new Uint8Array(TAG_SECRET_BYTES).fill(2)),
  );
});
