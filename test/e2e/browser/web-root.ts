import { join } from 'node:path';

/** The folder where `buildWeb` puts the front end. */
export const WEB_ROOT = join(import.meta.dirname, '../../../build/web');
