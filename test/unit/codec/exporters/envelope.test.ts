import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NetobservError } from '../../../../src/base/errors.ts';
import { parseAddress } from '../../../../src/base/ip.ts';
import { ByteBuffer } from '../../../../src/codec/byte-buffer.ts';
import { PROTOBUF_ERRORS } from '../../../../src/codec/errors.ts';
import { EnvelopeReader, writeEnvelope } from '../../../../src/codec/exporters/envelope.ts';
import { ENVELOPE_ERRORS } from '../../../../src/codec/exporters/errors.ts';
import { DatagramMessage } from '../../../support/codec/datagram-schema.ts';

const address = fc.oneof(fc.ipV4(), fc.ipV6()).map((text) => parseAddress(text)!);
const port = fc.integer({ min: 0, max: 65_535 });
const receivedMs = fc.integer({ min: 1, max: 8.64e15 });
const payload = fc.uint8Array({ maxLength: 70_000 });
const reception = fc.record({ address, port, receivedMs, listenPort: port });

function written(
  bytes: Uint8Array,
  from: Parameters<typeof writeEnvelope>[2],
): Uint8Array<ArrayBuffer> {
  const output = new ByteBuffer();
  writeEnvelope(output, bytes, from);
  return output.bytes.slice(0, output.length);
}

test('other programs read what is written, by the published schema', () => {
  fc.assert(
    fc.property(payload, reception, (bytes, from) => {
      const message = DatagramMessage.toObject(DatagramMessage.decode(written(bytes, from)), {
        longs: Number,
        bytes: String,
        defaults: true,
      });
      expect(message).toEqual({
        version: 1,
        address: Buffer.from(from.address).toString('base64'),
        port: from.port,
        received_ms: from.receivedMs,
        listen_port: from.listenPort,
        payload: Buffer.from(bytes).toString('base64'),
      });
    }),
  );
});

/** A message by the schema, with every field unless it is overwritten. */
function message(fields: object = {}): Uint8Array<ArrayBuffer> {
  const whole = {
    ...{ version: 1, address: Buffer.of(192, 0, 2, 1), port: 2055, received_ms: 1_700_000_000_123 },
    ...{ listen_port: 4739, payload: Buffer.of(1, 2, 3) },
    ...fields,
  };
  return Uint8Array.from(DatagramMessage.encode(DatagramMessage.fromObject(whole)).finish());
}

function opened(bytes: Uint8Array<ArrayBuffer>): object {
  const reader = new EnvelopeReader();
  reader.open(bytes);
  const { port: from, receivedMs: ms, listenPort } = reader;
  return { address: reader.address, port: from, ms, listenPort, payload: [...reader.payload] };
}

const OPENED = {
  ...{ address: '192.0.2.1', port: 2055, ms: 1_700_000_000_123 },
  ...{ listenPort: 4739, payload: [1, 2, 3] },
};

test('what other programs write by the published schema is read', () => {
  expect(opened(message())).toEqual(OPENED);
  const v6 = parseAddress('2001:db8::1')!;
  expect(opened(message({ address: v6 }))).toEqual({ ...OPENED, address: '2001:db8::1' });
  const mapped = parseAddress('192.0.2.1')!;
  expect(opened(message({ address: mapped }))).toEqual(OPENED);
  expect(opened(message({ payload: Buffer.of() }))).toEqual({ ...OPENED, payload: [] });
});

test('fields of later versions of the format are passed over', () => {
  const more = Uint8Array.from([...message(), 0x7a, 2, 9, 9, 0x80, 0x01, 5, 0x3d, 1, 2, 3, 4]);
  expect(opened(more)).toEqual(OPENED);
});

test('nothing of a message is left for the next one', () => {
  const reader = new EnvelopeReader();
  reader.open(message());
  expect(() => reader.open(message({ address: Buffer.of() }))).toThrow(/0 bytes/);
  reader.open(Uint8Array.from([0x08, 1, 0x12, 4, 10, 0, 0, 1, 0x20, 7]));
  const { address: from, port: own, receivedMs: ms, listenPort, payload: bytes } = reader;
  expect([from, own, ms, listenPort, bytes.length]).toEqual(['10.0.0.1', 0, 7, 0, 0]);
});

describe('refused with a code', () => {
  test.each([
    ['no version', message({ version: 0 }), ENVELOPE_ERRORS.version],
    ['another version', message({ version: 2 }), ENVELOPE_ERRORS.version],
    ['nothing', new Uint8Array(0), ENVELOPE_ERRORS.version],
    ['no address', message({ address: Buffer.of() }), ENVELOPE_ERRORS.field],
    ['five bytes of address', message({ address: Buffer.alloc(5) }), ENVELOPE_ERRORS.field],
    ['a port that cannot be', message({ port: 65_536 }), ENVELOPE_ERRORS.field],
    ['a port of the inlet that cannot be', message({ listen_port: 70_000 }), ENVELOPE_ERRORS.field],
    ['no time', message({ received_ms: 0 }), ENVELOPE_ERRORS.field],
    ['nanoseconds', message({ received_ms: 1.7e18 }), ENVELOPE_ERRORS.field],
    ['half a message', message().slice(0, -1), PROTOBUF_ERRORS.truncated],
  ])('%s', (_why, bytes, { code }) => {
    expect(() => opened(bytes)).toThrow(expect.objectContaining({ code }));
  });

  test('or read: any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        try {
          opened(Uint8Array.from(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(NetobservError);
        }
      }),
      { numRuns: 20_000 },
    );
  });
});
