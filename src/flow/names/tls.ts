import { type Codes, codesOf, hexadecimal } from './codes.ts';

/** Drafts of TLS 1.3 that were in use, and the form of their names. */
const DRAFTS = { first: 0x7f0e, last: 0x7f1c } as const;

/** Whether a version is a draft of TLS 1.3. */
export function isTlsDraft(version: number): boolean {
  return version >= DRAFTS.first && version <= DRAFTS.last;
}

/** Values of `TLSVersion`, spelled as in Go, like those of `flowlogs-pipeline`. */
export const TLS_VERSIONS: Codes = codesOf(
  { SSLv3: 0x0300, 'TLS 1.0': 0x0301, 'TLS 1.1': 0x0302, 'TLS 1.2': 0x0303, 'TLS 1.3': 0x0304 },
  hexadecimal(4, true),
);

/** Prefix of a `TLSVersion` on which client and server do not agree. */
export const TLS_MISMATCH = '~ ';

/** Values of `TLSCipherSuite`: IANA's names of the suites that servers choose. */
export const TLS_CIPHER_SUITES: Codes = codesOf(
  {
    TLS_RSA_WITH_RC4_128_MD5: 0x0004,
    TLS_RSA_WITH_RC4_128_SHA: 0x0005,
    TLS_RSA_WITH_3DES_EDE_CBC_SHA: 0x000a,
    TLS_RSA_WITH_AES_128_CBC_SHA: 0x002f,
    TLS_DHE_RSA_WITH_AES_128_CBC_SHA: 0x0033,
    TLS_RSA_WITH_AES_256_CBC_SHA: 0x0035,
    TLS_DHE_RSA_WITH_AES_256_CBC_SHA: 0x0039,
    TLS_RSA_WITH_AES_128_CBC_SHA256: 0x003c,
    TLS_RSA_WITH_AES_256_CBC_SHA256: 0x003d,
    TLS_DHE_RSA_WITH_AES_128_CBC_SHA256: 0x0067,
    TLS_DHE_RSA_WITH_AES_256_CBC_SHA256: 0x006b,
    TLS_RSA_WITH_AES_128_GCM_SHA256: 0x009c,
    TLS_RSA_WITH_AES_256_GCM_SHA384: 0x009d,
    TLS_DHE_RSA_WITH_AES_128_GCM_SHA256: 0x009e,
    TLS_DHE_RSA_WITH_AES_256_GCM_SHA384: 0x009f,
    TLS_PSK_WITH_AES_128_GCM_SHA256: 0x00a8,
    TLS_PSK_WITH_AES_256_GCM_SHA384: 0x00a9,
    TLS_AES_128_GCM_SHA256: 0x1301,
    TLS_AES_256_GCM_SHA384: 0x1302,
    TLS_CHACHA20_POLY1305_SHA256: 0x1303,
    TLS_AES_128_CCM_SHA256: 0x1304,
    TLS_AES_128_CCM_8_SHA256: 0x1305,
    TLS_ECDHE_ECDSA_WITH_RC4_128_SHA: 0xc007,
    TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA: 0xc008,
    TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: 0xc009,
    TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: 0xc00a,
    TLS_ECDHE_RSA_WITH_RC4_128_SHA: 0xc011,
    TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA: 0xc012,
    TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: 0xc013,
    TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: 0xc014,
    TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256: 0xc023,
    TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384: 0xc024,
    TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256: 0xc027,
    TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384: 0xc028,
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 0xc02b,
    TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 0xc02c,
    TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 0xc02f,
    TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 0xc030,
    TLS_RSA_WITH_AES_128_CCM: 0xc09c,
    TLS_RSA_WITH_AES_256_CCM: 0xc09d,
    TLS_DHE_RSA_WITH_AES_128_CCM: 0xc09e,
    TLS_DHE_RSA_WITH_AES_256_CCM: 0xc09f,
    TLS_RSA_WITH_AES_128_CCM_8: 0xc0a0,
    TLS_RSA_WITH_AES_256_CCM_8: 0xc0a1,
    TLS_ECDHE_ECDSA_WITH_AES_128_CCM: 0xc0ac,
    TLS_ECDHE_ECDSA_WITH_AES_256_CCM: 0xc0ad,
    TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8: 0xc0ae,
    TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8: 0xc0af,
    TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 0xcca8,
    TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 0xcca9,
    TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 0xccaa,
  },
  hexadecimal(4, true),
);

/** Values of `TLSGroup`: IANA's supported groups, spelled as in Go where Go knows them. */
export const TLS_GROUPS: Codes = codesOf(
  {
    CurveP256: 23,
    CurveP384: 24,
    CurveP521: 25,
    X25519: 29,
    X448: 30,
    ffdhe2048: 256,
    ffdhe3072: 257,
    ffdhe4096: 258,
    ffdhe6144: 259,
    ffdhe8192: 260,
    SecP256r1MLKEM768: 4587,
    X25519MLKEM768: 4588,
    SecP384r1MLKEM1024: 4589,
    X25519Kyber768Draft00: 25_497,
  },
  {
    nameOf: (code) => `CurveID(${code})`,
    codeOf: (name) => Number(/^CurveID\((\d{1,5})\)$/.exec(name)?.[1] ?? 0),
  },
);

/** Values of `TLSTypes` and their bits. */
export const TLS_TYPES: readonly (readonly [name: string, bit: number])[] = [
  ['ClientHello', 1],
  ['ServerHello', 2],
  ['OtherHandshake', 4],
  ['ChangeCipher', 8],
  ['Alert', 16],
  ['AppData', 32],
];
