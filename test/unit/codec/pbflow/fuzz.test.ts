import { expect, test } from 'vitest';
import { PROTOBUF_ERRORS } from '../../../../src/codec/errors.ts';
import { PBFLOW_ERRORS } from '../../../../src/codec/pbflow/errors.ts';
import { fuzzPbflow } from '../../../support/codec/pbflow-fuzz.ts';

test('inputs that nobody would send are decoded, or refused with a code', () => {
  const { decoded, refused } = fuzzPbflow(30_000, 20_260_721);

  const rows = [...Object.values(PROTOBUF_ERRORS), ...Object.values(PBFLOW_ERRORS)];
  const codes = rows.map(({ code }) => code);
  // The inputs reach far into the decoder: they trigger every refusal.
  expect(Object.keys(refused).toSorted()).toEqual(codes.toSorted());
  expect(decoded).toBeGreaterThan(1500);
});
