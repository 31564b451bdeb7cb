import { type Codes, codesOf, hexadecimal } from './codes.ts';

/** Values of `QuicVersion`: RFC 9000 and RFC 9369. */
export const QUIC_VERSIONS: Codes = codesOf(
  { 'QUIC v1': 0x0000_0001, 'QUIC v2': 0x6b33_43cf },
  hexadecimal(8),
);
