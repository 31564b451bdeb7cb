import i18next, { type i18n } from 'i18next';
import { initReactI18next } from 'react-i18next';
import { en } from './en.ts';

/** English is the only language so far; a second one would be a second file beside `en.ts`. */
export function createI18n(): i18n {
  const instance = i18next.createInstance();
  void instance.use(initReactI18next).init({
    lng: 'en',
    resources: { en: { translation: en } },
    // React escapes by itself.
    interpolation: { escapeValue: false },
    initAsync: false,
  });
  return instance;
}
