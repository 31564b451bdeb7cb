import { featureNames } from '../agent/features/choose.ts';
import { list } from '../config/options.ts';

/** For users who would rather name features than variables; `withFeatures` applies it. */
export const featureOptions = {
  features: list(
    'NETOBSERV_FEATURES',
    '',
    `what is looked at besides addresses and sizes, or all: ${featureNames().join(', ')}`,
  ),
};
