/* Options of admins, with Kafka's defaults. */

import { option, text, type OptionTable, type OptionValues } from '../../base/options.js'
import { clientSettings, RETRY_OPTIONS } from '../line/client-config.js'
import type { AdminOptions } from './admin-api.js'

const ADMIN_OPTIONS = {
  clientId: option(text, 'admin'),
  ...RETRY_OPTIONS,
} satisfies OptionTable

/** Throws INVALID_CONFIG. */
export function adminSettings(options: AdminOptions): AdminSettings {
  return clientSettings(ADMIN_OPTIONS, options, 'admin option')
}

export type AdminSettings = OptionValues<typeof ADMIN_OPTIONS>
