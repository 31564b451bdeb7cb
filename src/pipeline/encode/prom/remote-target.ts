import { explain } from '../../../base/errors.ts';
import type { Target } from '../../../deliver/delivery.ts';
import { HttpTarget } from '../../../deliver/targets/http.ts';
import { renewalReport } from '../../../telemetry/renewals.ts';
import { type RenewalReport, RenewedFiles } from '../../../telemetry/renewed-files.ts';
import { clientTlsFiles } from '../../client-tls.ts';
import { configError, PIPELINE_ERRORS } from '../../errors.ts';
import type { PromOptions } from '../../options/encode/prom.ts';
import type { RemoteWrite } from '../../options/remote-write.ts';
import { checkHeaders } from '../../request-headers.ts';
import type { StageContext } from '../../stage.ts';
import { LABEL_NAME } from './compile.ts';
import type { FlowMetrics } from './flow-metrics.ts';

/** Samples of a series must arrive in order, so requests follow each other. */
const IN_FLIGHT_MAX = 1;
/** A request without an answer by then is repeated: the same sample twice is one. */
const ANSWER_TIMEOUT_MS = 10_000;
const INTERVAL_MIN_MS = 100;

const FIXED_HEADERS = {
  'content-type': 'application/x-protobuf',
  'content-encoding': 'snappy',
  'user-agent': 'netobserv',
  'x-prometheus-remote-write-version': '0.1.0',
} as const;

/** Throws when the options cannot work with those of the stage. */
export function checkRemoteWrite(
  { url, interval, externalLabels, tls, headers, bearerTokenPath, basicAuth }: RemoteWrite,
  { expiryTime }: PromOptions,
  { metrics }: FlowMetrics,
  context: StageContext,
): void {
  const fail = (key: string, problem: string): never => {
    throw configError(PIPELINE_ERRORS.option, `${context.path}.remoteWrite.${key}`, problem);
  };
  const protocol = URL.parse(url)?.protocol;
  if (protocol !== 'http:' && protocol !== 'https:') {
    fail('url', `"${url}" is not an address such as https://prometheus:9090/api/v1/write`);
  }
  if (protocol === 'http:' && tls !== undefined) fail('tls', 'the url begins with http://');
  if (interval < INTERVAL_MIN_MS || interval > expiryTime) {
    fail('interval', `must be from ${INTERVAL_MIN_MS}ms to expiryTime, ${expiryTime / 1000}s`);
  }
  for (const name of Object.keys(externalLabels)) {
    if (!LABEL_NAME.test(name) || name.startsWith('__') || name === 'le') {
      fail(`externalLabels.${name}`, 'cannot be the name of a label');
    }
    const metric = metrics.find(({ group }) => group.labels.some((own) => own.name === name));
    if (metric !== undefined)
      fail(`externalLabels.${name}`, `is a label of ${metric.spec.name} already`);
  }
  checkHeaders(headers, `${context.path}.remoteWrite`);
  if (bearerTokenPath !== '' && basicAuth !== undefined) {
    fail('basicAuth', 'there is bearerTokenPath already: a request has one of them');
  }
}

/** The receiver of the requests. Reads the files of its credentials. */
export function remoteWriteTarget(
  options: RemoteWrite,
  { name, path, deps }: StageContext,
): Target {
  const report = renewalReport(name, { log: deps.log, counts: deps.metrics });
  const tls = clientTlsFiles(options.tls, `${path}.remoteWrite`);
  const authorization = authorizationOf(options, `${path}.remoteWrite`, report);
  return new HttpTarget(
    {
      url: options.url,
      ...(tls === undefined ? {} : { tls }),
      inFlightMax: IN_FLIGHT_MAX,
      answerTimeoutMs: ANSWER_TIMEOUT_MS,
      isIdempotent: true,
      headers: () => ({ ...options.headers, ...FIXED_HEADERS, ...authorization() }),
    },
    report,
  );
}

function authorizationOf(
  { bearerTokenPath, basicAuth }: RemoteWrite,
  path: string,
  report: RenewalReport,
): () => Readonly<Record<string, string>> {
  if (bearerTokenPath !== '') {
    return renewed(`${path}.bearerTokenPath`, [bearerTokenPath], report, ([token = '']) => {
      return `Bearer ${token.trim()}`;
    });
  }
  if (basicAuth === undefined) return () => ({});
  const { usernamePath, passwordPath } = basicAuth;
  const files = [usernamePath, passwordPath];
  return renewed(`${path}.basicAuth`, files, report, ([user = '', password = '']) => {
    const pair = `${user.trim()}:${password.replace(/\r?\n$/, '')}`;
    return `Basic ${Buffer.from(pair).toString('base64')}`;
  });
}

/** The header made of the newest contents of files. */
function renewed(
  option: string,
  paths: readonly string[],
  report: RenewalReport,
  make: (contents: readonly string[]) => string,
): () => Readonly<Record<string, string>> {
  try {
    const authorization = (contents: readonly string[]) => ({ authorization: make(contents) });
    const files = new RenewedFiles(paths, authorization, report);
    return () => files.current();
  } catch (error) {
    throw configError(PIPELINE_ERRORS.option, option, `cannot be read: ${explain(error)}`);
  }
}
