import { type Static, Type } from 'typebox';
import { duration, strictObject } from '../../config/schema.ts';
import { optionalText } from './field.ts';
import { clientTls } from './tls.ts';

const BasicAuth = strictObject(
  {
    usernamePath: Type.String({ minLength: 1, description: 'File with the name.' }),
    passwordPath: Type.String({ minLength: 1, description: 'File with the password.' }),
  },
  { description: 'Name and password of each request. Files are read again when they change.' },
);

export const RemoteWrite = strictObject(
  {
    url: Type.String({
      minLength: 1,
      description: 'Address of the receiver, such as https://prometheus:9090/api/v1/write.',
    }),
    interval: duration({
      default: '15s',
      description:
        'Time between two transmissions of all series: at least 100ms, at most expiryTime.',
    }),
    externalLabels: Type.Record(
      Type.String(),
      Type.String({ description: 'Value of the label.' }),
      {
        default: {},
        description:
          'Labels of all series. A sender needs one that no other has, such as `instance`: a ' +
          'receiver mixes up series of two senders that have the same labels.',
      },
    ),
    nativeHistograms: Type.Boolean({
      default: false,
      description:
        'Send each histogram as a native one (sparse, with up to 160 buckets, eight for each ' +
        'power of two) in place of its `buckets`. Scrapes show `buckets` still, since their text ' +
        'format has no others.',
    }),
    tls: clientTls('receiver'),
    headers: Type.Record(Type.String(), Type.String({ description: 'Value of the header.' }), {
      default: {},
      description: 'Headers of each request, such as those of a tenant.',
    }),
    bearerTokenPath: optionalText(
      'File with a token, sent with each request. It is read again when it changes.',
    ),
    basicAuth: Type.Optional(BasicAuth),
  },
  {
    description:
      'Sends the metrics by Prometheus remote write 1.0 as well (flowlogs-pipeline has no such ' +
      'option). A counter begins with a zero at the transmission before its first one, so that ' +
      'increase() misses nothing; a series that expires ends with a stale marker. A request is ' +
      'repeated for two minutes after 408, 429 (with Retry-After), 5xx or no answer; another ' +
      'status loses it. Samples that are lost are counted by their reason in ' +
      'remote_write_lost_samples_total; a counter’s next sample has what they had. 64 MiB of ' +
      'compressed requests may wait.',
  },
);

export type RemoteWrite = Static<typeof RemoteWrite>;
