import { generateKeyPairSync, sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const SEQUENCE = 0x30;
const SET = 0x31;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OID = 0x06;
const UTF8_STRING = 0x0c;
const UTC_TIME = 0x17;
const OCTET_STRING = 0x04;
const VERSION_TAG = 0xa0;
const EXTENSIONS_TAG = 0xa3;
const ADDRESS_TAG = 0x87;

/** 1.2.840.10045.4.3.2, ecdsa-with-SHA256. */
const ECDSA_SHA256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
/** 2.5.4.3, commonName. */
const COMMON_NAME = [0x55, 0x04, 0x03];

/** A self-signed certificate for `localhost` and 127.0.0.1, and its key, as PEM; always new. */
export function selfSigned(): { readonly cert: string; readonly key: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = der(SEQUENCE, der(OID, ECDSA_SHA256));
  const commonName = der(SEQUENCE, der(OID, COMMON_NAME), der(UTF8_STRING, 'localhost'));
  const name = der(SEQUENCE, der(SET, commonName));
  const validity = der(SEQUENCE, der(UTC_TIME, '200101000000Z'), der(UTC_TIME, '491231235959Z'));
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const version = der(VERSION_TAG, der(INTEGER, [2]));
  const serial = der(INTEGER, [1]);
  const address = der(OCTET_STRING, der(SEQUENCE, der(ADDRESS_TAG, [127, 0, 0, 1])));
  const extension = der(SEQUENCE, der(OID, ALTERNATIVE_NAME), address);
  const extensions = der(EXTENSIONS_TAG, der(SEQUENCE, extension));
  const body = der(SEQUENCE, version, serial, algorithm, name, validity, name, spki, extensions);
  const signature = der(BIT_STRING, [0], sign('sha256', body, privateKey));
  const certificate = der(SEQUENCE, body, algorithm, signature).toString('base64');
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${certificate}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

/** Such a certificate and its key in files of a folder. */
export function certificateFiles(folder: string, name: string) {
  const { cert, key } = selfSigned();
  const [certPath, keyPath] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
  writeFileSync(certPath, cert);
  writeFileSync(keyPath, key);
  return { certPath, keyPath };
}

/** 2.5.29.17, subjectAltName. */
const ALTERNATIVE_NAME = [0x55, 0x1d, 0x11];

/** One element of the distinguished encoding: tag, length, content. */
function der(tag: number, ...parts: readonly (Uint8Array | readonly number[] | string)[]): Buffer {
  const content = Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Uint8Array.from(part))),
  );
  const { length } = content;
  return Buffer.concat([Uint8Array.from([tag, ...sizeOf(length)]), content]);
}

/** The shortest form, which Go requires. */
function sizeOf(length: number): readonly number[] {
  if (length < 0x80) return [length];
  return length < 0x100 ? [0x81, length] : [0x82, length >>> 8, length & 0xff];
}
